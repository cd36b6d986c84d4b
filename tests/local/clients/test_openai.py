"""``openai``, unmodified: the same conversation with its client and its asynchronous one."""

import asyncio
import inspect
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import openai
import pytest
from huggingface_hub import InferenceClient

RECORDED = Path(os.environ.get("SERVAL_RECORDED", ""))
CHAT, EMBEDDINGS = "gpt2", "feature-extraction-mean"
HELLO = [{"role": "user", "content": "Hi"}]
PROMPT = "u: Hi\na:"
"""What the template of the stage's model makes of it."""


class Client:
    """Calls either client's methods; awaits those that want it."""

    def __init__(self, kind: str, base_url: str, key: str) -> None:
        self._loop = asyncio.new_event_loop()
        make = openai.AsyncOpenAI if kind == "async" else openai.OpenAI
        self.client: Any = make(base_url=base_url, api_key=key, max_retries=0, timeout=120)

    def call(self, name: str, **asked: Any) -> Any:
        method: Any = self.client
        for part in name.split("."):
            method = getattr(method, part)
        found = method(**asked)
        return self._loop.run_until_complete(found) if inspect.isawaitable(found) else found

    def chunks(self, name: str, **asked: Any) -> list[Any]:
        """Call a method for a stream, and take all of it."""
        found = self.call(name, stream=True, **asked)

        async def take() -> list[Any]:
            return [chunk async for chunk in found]

        is_async = isinstance(found, openai.AsyncStream)
        return self._loop.run_until_complete(take()) if is_async else list(found)

    def leave(self, stream: Any) -> None:
        """Take the first piece of a stream, and hang up."""
        if isinstance(stream, openai.AsyncStream):
            self._loop.run_until_complete(anext(aiter(stream)))
            self._loop.run_until_complete(stream.close())
        else:
            next(stream)
            stream.close()

    def close(self) -> None:
        closed = self.client.close()
        if inspect.isawaitable(closed):
            self._loop.run_until_complete(closed)
        self._loop.close()


@pytest.fixture(params=["sync", "async"])
def client(request: pytest.FixtureRequest, stage: Any) -> Iterator[Client]:
    made = Client(request.param, f"{stage.api_url}/v1", stage.api_key)
    yield made
    made.close()


def continued(stage: Any, **asked: Any) -> str:
    """Return what the model writes after the prompt, in its task's words."""
    model = InferenceClient(model=f"{stage.api_url}/models/{CHAT}", token=stage.api_key)
    return str(model.text_generation(PROMPT, max_new_tokens=6, **asked))


def test_a_chat_is_answered(client: Client, stage: Any) -> None:
    answer = client.call("chat.completions.create", model=CHAT, messages=HELLO, max_tokens=6)
    assert answer.choices[0].message.content == continued(stage)
    assert answer.choices[0].finish_reason == "length"
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (8, 6)
    assert answer.model == CHAT


def test_a_seed_repeats_texts_drawn_by_chance(client: Client) -> None:
    asked = {"model": CHAT, "messages": HELLO, "max_tokens": 6, "n": 2, "temperature": 1.2}
    first, second = (
        [
            choice.message.content
            for choice in client.call("chat.completions.create", seed=5, **asked).choices
        ]
        for _ in range(2)
    )
    assert first == second
    assert first[0] != first[1]


def test_probabilities_come_with_the_tokens(client: Client) -> None:
    answer = client.call(
        "chat.completions.create",
        model=CHAT,
        messages=HELLO,
        max_tokens=4,
        logprobs=True,
        top_logprobs=2,
    )
    found = answer.choices[0].logprobs.content
    assert "".join(token.token for token in found) == answer.choices[0].message.content
    assert found[0].top_logprobs[0].logprob == found[0].logprob


def test_a_prompt_goes_on(client: Client, stage: Any) -> None:
    answer = client.call("completions.create", model=CHAT, prompt=[PROMPT, PROMPT], max_tokens=6)
    assert [choice.text for choice in answer.choices] == [continued(stage)] * 2


def test_a_chat_is_streamed(client: Client, stage: Any) -> None:
    asked: dict[str, Any] = {"model": CHAT, "messages": HELLO, "max_tokens": 6}
    wanted = {"stream_options": {"include_usage": True}, "logprobs": True}
    *chunks, last = client.chunks("chat.completions.create", **asked, **wanted)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == continued(stage)
    assert chunks[-1].choices[0].finish_reason == "length"
    assert (last.usage.prompt_tokens, last.usage.completion_tokens) == (8, 6)


def test_what_stops_a_text_stops_a_stream(client: Client, stage: Any) -> None:
    asked: dict[str, Any] = {"model": CHAT, "prompt": PROMPT, "max_tokens": 30}
    asked["stop"] = [continued(stage)[-2:]]
    whole = client.call("completions.create", **asked).choices[0]
    chunks = client.chunks("completions.create", **asked)
    assert "".join(chunk.choices[0].text for chunk in chunks) == whole.text
    assert chunks[-1].choices[0].finish_reason == whole.finish_reason == "stop"


def test_a_stream_that_is_left_is_followed_by_others(client: Client) -> None:
    asked: dict[str, Any] = {"model": CHAT, "messages": HELLO, "max_tokens": 38}
    for _ in range(12):
        left = client.call("chat.completions.create", stream=True, **asked)
        client.leave(left)
    assert client.chunks("chat.completions.create", **asked)


@pytest.mark.parametrize("encoding", [{}, {"encoding_format": "float"}])
def test_texts_are_embedded_as_by_the_original(client: Client, encoding: dict[str, Any]) -> None:
    [text] = json.loads((RECORDED / EMBEDDINGS / "answers.json").read_text())[0]["inputs"][:1]
    [expected] = json.loads((RECORDED / EMBEDDINGS / "answers.json").read_text())[0]["answers"][:1]
    answer = client.call("embeddings.create", model=EMBEDDINGS, input=[text, text], **encoding)
    for one in answer.data:
        assert one.embedding == pytest.approx(
            np.array(expected) / np.linalg.norm(expected), abs=1e-4
        )
    assert answer.usage.prompt_tokens > 0


def test_a_model_is_described(client: Client) -> None:
    model = client.call("models.retrieve", model=CHAT)
    assert (model.id, model.object, model.owned_by) == (CHAT, "model", "serval")


def test_errors_are_those_of_the_client(client: Client, stage: Any) -> None:
    asked: dict[str, Any] = {"messages": HELLO, "max_tokens": 3}
    with pytest.raises(openai.NotFoundError) as absent:
        client.call("chat.completions.create", model="absent", **asked)
    assert absent.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError, match="48 positions"):
        client.chunks("chat.completions.create", model=CHAT, messages=HELLO, max_tokens=500)
    with pytest.raises(openai.BadRequestError, match="nothing \\(the model calls no tools"):
        client.chunks("chat.completions.create", model=CHAT, tools=[{}], **asked)
    with pytest.raises(openai.NotFoundError):
        client.chunks("chat.completions.create", model="absent", **asked)
    with pytest.raises(openai.BadRequestError) as long:
        client.call("chat.completions.create", model=CHAT, messages=HELLO, max_tokens=500)
    assert long.value.code == "context_length_exceeded"
    stranger = Client("sync", f"{stage.api_url}/v1", "srv_unknown")
    with pytest.raises(openai.AuthenticationError):
        stranger.call("embeddings.create", model=EMBEDDINGS, input="a")
    stranger.close()


def test_a_models_own_url_needs_no_name(stage: Any) -> None:
    own = Client("sync", f"{stage.api_url}/models/{CHAT}/v1", stage.api_key)
    answer = own.call("chat.completions.create", model="any", messages=HELLO, max_tokens=6)
    assert answer.choices[0].message.content == continued(stage)
    own.close()


def test_the_hubs_client_holds_a_chat(stage: Any) -> None:
    hub = InferenceClient(model=f"{stage.api_url}/models/{CHAT}", token=stage.api_key)
    answer = hub.chat_completion(HELLO, max_tokens=6, seed=1)
    assert answer.choices[0].message.content == continued(stage)
    assert answer.usage.total_tokens == 14


def test_the_hubs_client_streams_a_chat(stage: Any) -> None:
    hub = InferenceClient(model=f"{stage.api_url}/models/{CHAT}", token=stage.api_key)
    chunks = list(hub.chat_completion(HELLO, max_tokens=6, seed=1, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == continued(stage)


def test_the_hubs_client_streams_a_text(stage: Any) -> None:
    hub = InferenceClient(model=f"{stage.api_url}/models/{CHAT}", token=stage.api_key)
    assert "".join(hub.text_generation(PROMPT, max_new_tokens=6, stream=True)) == continued(stage)
    *events, last = hub.text_generation(PROMPT, max_new_tokens=6, stream=True, details=True)
    assert len(events) == 5
    assert (last.generated_text, last.details.generated_tokens) == (continued(stage), 6)
