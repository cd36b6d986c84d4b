"""``openai`` and ``huggingface_hub``, unmodified, over a pipeline that writes by way of a model."""

from typing import Any

import openai
import pytest
from huggingface_hub import InferenceClient

WRITER, PIPELINE = "writer", "teller"
HELLO = [{"role": "system", "content": "Be short"}, {"role": "user", "content": "Hi"}]
PREPARED = "u: A tale: Hi\na:"
"""What the template of the model makes of a message that the pipeline has prepared."""


def hub(stage: Any, model: str) -> InferenceClient:
    return InferenceClient(model=f"{stage.api_url}/models/{model}", token=stage.api_key)


@pytest.fixture
def client(stage: Any) -> openai.OpenAI:
    return openai.OpenAI(
        base_url=f"{stage.api_url}/v1", api_key=stage.api_key, max_retries=0, timeout=120
    )


def written(stage: Any, prompt: str) -> str:
    """Return what the model itself writes after a prompt."""
    return str(hub(stage, WRITER).text_generation(prompt, max_new_tokens=6))


def test_a_chat_is_answered_whole_and_in_pieces(client: openai.OpenAI, stage: Any) -> None:
    asked: dict[str, Any] = {"model": PIPELINE, "messages": HELLO, "max_tokens": 6}
    expected = written(stage, "s: Be short\n" + PREPARED)
    answer = client.chat.completions.create(**asked)
    assert answer.model == PIPELINE
    assert answer.choices[0].message.content == expected
    assert answer.usage.completion_tokens == 6
    chunks = list(client.chat.completions.create(**asked, stream=True))
    assert "".join(one.choices[0].delta.content or "" for one in chunks) == expected
    assert chunks[-1].choices[0].finish_reason == answer.choices[0].finish_reason


def test_completions_of_several_prompts_are_answered(client: openai.OpenAI, stage: Any) -> None:
    prompts = ["Dogs", "Cats"]
    answer = client.completions.create(model=PIPELINE, prompt=prompts, max_tokens=6)
    expected = [written(stage, f"A tale: {one}") for one in prompts]
    assert [choice.text for choice in answer.choices] == expected
    chunks = client.completions.create(model=PIPELINE, prompt="Dogs", max_tokens=6, stream=True)
    assert "".join(one.choices[0].text for one in chunks) == expected[0]


def test_a_wrong_parameter_is_refused_by_its_name(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.completions.create(model=PIPELINE, prompt="Dogs", max_tokens=10_000)
    assert refused.value.code == "context_length_exceeded"
    with pytest.raises(openai.BadRequestError) as refused:
        client.completions.create(model=PIPELINE, prompt="Dogs", temperature=-1)
    assert refused.value.param == "temperature"


def test_the_hubs_client_treats_it_as_a_model(stage: Any) -> None:
    asked, expected = hub(stage, PIPELINE), written(stage, "A tale: Dogs")
    assert asked.text_generation("Dogs", max_new_tokens=6) == expected
    pieces = list(asked.text_generation("Dogs", max_new_tokens=6, stream=True))
    assert len(pieces) == 6
    assert "".join(pieces) == expected
    told = asked.chat_completion(HELLO, max_tokens=6)
    assert told.choices[0].message.content == written(stage, "s: Be short\n" + PREPARED)
