"""Pipelines that write: what is refused of their calls, and before they become versions."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from serval.errors import BundleRefused, InferenceFailed
from serval.models.route import Route
from serval.tasks.generation.text_generation import TextGeneration
from tests.fakes.inference import Bench
from tests.fakes.pipelines import publish_pipeline
from tests.fakes.task_models import publish_recorded
from tests.functional.test_failed_steps import failed_steps
from tests.functional.test_pipelines_that_write import (
    CHAT,
    CHATS,
    COMPLETIONS,
    INPUT,
    TELLER,
    ask,
    error_of,
    events,
    post,
    publish,
    publish_input,
    publish_teller,
    told,
)

HALF = {"role": "system", "content": "\ud800"}
"""Half a character."""


@pytest.fixture(autouse=True)
def teller(ready: Bench) -> None:
    publish_teller(ready)


def test_a_pipeline_without_a_task_does_not_stream(ready: Bench) -> None:
    publish_pipeline(
        ready.edge,
        "name: said\ninputs: [{name: text, datatype: BYTES, shape: [1]}]\n"
        "steps: [{name: a, rule: text}]\noutput: a\n",
    )
    error = error_of(ask(ready, {"inputs": "x", "stream": True}, "said"), 400)
    assert error.startswith("model 'said' version '1' answers as a whole: streams need the task")


@pytest.mark.parametrize(
    ("path", "body", "param", "code", "said"),
    [
        (COMPLETIONS, {"prompt": [1, 2]}, "prompt", None, "a pipeline takes no token ids"),
        (COMPLETIONS, {"prompt": ["a", 2]}, "prompt", None, "a list of 1 to 1024 texts"),
        (COMPLETIONS, {}, "prompt", None, "a list of 1 to 1024 texts"),
        (
            COMPLETIONS,
            {"prompt": "a", "tokens": 3},
            "tokens",
            None,
            "3 given, 'max_tokens' or another of: ",
        ),
        (COMPLETIONS, {"prompt": "a", "temperature": -1}, "temperature", None, "a number from 0"),
        (COMPLETIONS, {"prompt": "a", "max_tokens": 99}, None, "context_length_exceeded", "48"),
        (CHATS, {"messages": CHAT[:1]}, "messages", None, "a message of the role 'user'"),
        (CHATS, {"messages": [HALF, CHAT[1]]}, None, None, "the messages cannot be written"),
        (CHATS, {"messages": []}, "messages", None, "a list of 1 to 2048 messages"),
        (CHATS, {"messages": CHAT, "tools": [{"a": 1}]}, "tools", None, "calls no tools"),
        ("/v1/embeddings", {"input": "a"}, None, None, "embeddings need 'feature-extraction'"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_wrong_call_of_openais_api_is_refused_as_its_model_refuses_it(
    ready: Bench, path: str, body: Any, param: str, code: str, said: str, stream: bool
) -> None:
    more = {"stream": True} if stream and path != "/v1/embeddings" else {}
    error = error_of(post(ready, path, body | more), 400)
    assert (error["param"], error["code"]) == (param, code)
    assert said in error["message"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"inputs": "a", "tokens": 3}, "parameter 'tokens': 3 given"),
        ({"inputs": "a", "temperature": -1}, "parameter 'temperature': -1 given"),
        ({"inputs": "a", "max_new_tokens": 99}, "parameter 'max_new_tokens': 99 given"),
        ({"inputs": {"text": "a"}}, "a text expected"),
        ({"inputs": ["a", "b"], "stream": True}, "a stream has one text"),
    ],
)
def test_a_wrong_call_in_the_words_of_the_task_is_refused(
    ready: Bench, body: Any, said: str
) -> None:
    assert said in error_of(ask(ready, body), 400)


@pytest.mark.parametrize("more", [{}, {"stream": True}])
def test_a_step_that_fails_before_the_model_writes_fails_the_call(
    ready: Bench, more: dict[str, Any]
) -> None:
    publish(ready, TELLER.replace('? "Hm: "', "? mood[5].label"))
    failed = "model 'teller' version '1' failed: step 'opening': "
    assert failed in error_of(ask(ready, {"inputs": "good", **more}), 500)
    for path, body in ((COMPLETIONS, {"prompt": "good"}), (CHATS, {"messages": CHAT})):
        assert failed in error_of(post(ready, path, body | more), 500)["message"]
    ready.endpoint.metrics.flush()
    assert failed_steps(ready.printed) == {"teller.opening": 3}


@pytest.mark.parametrize(
    ("given", "status", "said"),
    [
        ("{text: '[opening, text]'}", 500, "step 'tale': input.text: "),
        ("{text: '$count(mood)'}", 500, "step 'tale': input.text: 2 given, a text expected"),
        (
            "{text: opening, parameters: '$merge([{\"temperature\": -1}])'}",
            500,
            "step 'tale': parameter 'temperature': -1 given",
        ),
        (
            "{text: opening, parameters: '$merge([{\"tokens\": 1}])'}",
            500,
            "step 'tale': parameter 'tokens': 1 given",
        ),
        (
            "{text: opening, parameters: '{\"max_new_tokens\": 0}'}",
            500,
            "step 'tale': parameter 'max_",
        ),
        ("{text: '$length(text)'}", 400, "pipeline 'teller' version '1': step 'tale': "),
    ],
)
def test_what_the_last_step_gives_its_model_is_the_pipelines_to_answer_for(
    ready: Bench, given: str, status: int, said: str
) -> None:
    publish_input(ready, given)
    assert said in error_of(ask(ready, {"inputs": "good"}), status)
    assert said in error_of(ask(ready, {"inputs": "good", "stream": True}), status)
    for more in ({}, {"stream": True}):
        body = {"prompt": "good", **more}
        assert said in error_of(post(ready, COMPLETIONS, body), status)["message"]
    ready.endpoint.metrics.flush()
    assert failed_steps(ready.printed) == ({"teller.tale": 4} if status == 500 else {})


def test_a_wrong_call_is_refused_before_any_step_runs(ready: Bench) -> None:
    publish(ready, TELLER.replace('? "Hm: "', "? mood[5].label"))
    long = "good " * 100_001
    said = "text: 500005 bytes, at most 500000 allowed"
    assert error_of(ask(ready, {"inputs": long}), 400).startswith(said)
    messages = [{"role": "user", "content": long}]
    for path, body in ((COMPLETIONS, {"prompt": long}), (CHATS, {"messages": messages})):
        assert error_of(post(ready, path, body), 400)["message"].startswith(said)
    assert "temperature" in error_of(ask(ready, {"inputs": "good", "temperature": -1}), 400)


def test_a_prompt_that_steps_have_made_too_long_is_refused(ready: Bench) -> None:
    publish_input(ready, "{text: text & text & text}")
    error = error_of(ask(ready, {"inputs": "good " * 40_000}), 400)
    assert "step 'tale': text: 600000 bytes, at most 500000 allowed" in error


def test_a_model_that_fails_midway_ends_the_stream_with_the_steps_error(
    ready: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    follow = TextGeneration.follow

    def breaking(*asked: Any) -> Iterator[Any]:
        yield next(follow(*asked))
        raise InferenceFailed("gpt", "1", "out of memory")

    monkeypatch.setattr(TextGeneration, "follow", breaking)
    said = "model 'teller' version '1' failed: step 'tale': model 'gpt' version '1' failed: out of"
    *_, last = events(post(ready, COMPLETIONS, {"prompt": "good", "stream": True}))
    assert last["error"]["message"].startswith(said)
    *_, last = events(ask(ready, {"inputs": "good", "stream": True}))
    assert last["error"].startswith(said)
    ready.endpoint.metrics.flush()
    assert failed_steps(ready.printed) == {"teller.tale": 2}


def test_a_caller_who_leaves_a_stream_has_failed_nothing(ready: Bench) -> None:
    for more in ({"inputs": "good"}, {"inputs": "good", "details": True}):
        chunks = ask(ready, {**more, "stream": True})["chunks"]
        next(chunks)
        chunks.close()
    assert told(ask(ready, {"inputs": "good", "max_new_tokens": 2}))
    ready.endpoint.metrics.flush()
    assert failed_steps(ready.printed) == {}


def test_a_parameter_that_openais_api_lacks_fails_only_its_calls(ready: Bench) -> None:
    publish_input(ready, "{text: text, parameters: '$merge([{\"truncate\": 2}])'}")
    assert told(ask(ready, {"inputs": "good", "max_new_tokens": 2}))
    error = error_of(post(ready, COMPLETIONS, {"prompt": "good"}), 400)
    assert "step 'tale': parameter 'truncate': 2 given" in error["message"]


def test_a_model_without_a_template_has_no_chats(ready: Bench) -> None:
    publish_recorded(ready.edge, "gpt", "gpt2", "text-generation")
    error = error_of(post(ready, CHATS, {"messages": CHAT}), 400)
    assert error["message"].startswith("pipeline 'teller' has no chats")


def test_a_model_that_no_longer_writes_fails_the_last_step(ready: Bench) -> None:
    ready.edge.records["gpt", "2"] = replace(ready.edge.records["sentiment", "1"], model="gpt")
    ready.edge.artifacts["gpt", "2"] = ready.edge.artifacts["sentiment", "1"]
    for (model, _, name), content in [*ready.edge.task_files.items()]:
        if model == "sentiment":
            ready.edge.task_files["gpt", "2", name] = content
    ready.edge.routes["gpt"] = Route("2")
    said = "step 'tale': model 'gpt' version 1 writes no text here"
    assert said in error_of(ask(ready, {"inputs": "good"}), 500)


WRITES = "- {name: tale, model: gpt, input: {text: opening & text}}"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("output: tale", "output: tale.generated_text", "output: 'tale.generated_text' given, the"),
        ("output: tale", "output: opening", "output: 'opening' given, the name of a step with"),
        ("output: tale", "output: text", "output: 'text' given, the name of a step with 'model'"),
        ("output: tale", "output: {a: tale}", "yaml: output: an expression expected"),
        (WRITES, WRITES[:-1] + ', when: text = "a"}', "steps.2.when: step 'tale' writes the"),
        (WRITES, WRITES[:-1] + ", timeout_seconds: 5}", "steps.2.timeout_seconds: step 'tale'"),
        (WRITES, WRITES[:-1] + ", cache: {ttl_seconds: 5}}", "steps.2.cache: step 'tale' writes"),
        (WRITES, WRITES[:-1] + ", on_error: {value: 1}}", "steps.2.on_error: step 'tale' writes"),
        (INPUT, "{text: item}, map: '[text]'", "steps.2.map: step 'tale' writes the answer"),
        (WRITES, f"{WRITES}\n  - {{name: z, rule: tale}}", "steps.3: reads 'tale', which runs"),
        ("{name: mood,", "{on_error: {step: tale}, name: mood,", "steps.0.on_error.step: 'tale' w"),
        (
            "model: gpt",
            "model: sentiment",
            "steps.2.model: model 'sentiment' version 1 has the task",
        ),
        ("model: gpt", "model: one", "steps.2.model: model 'one' version 1 has no task: a model"),
        ("model: gpt", "model: teller", "is a pipeline with the task 'text-generation': a model"),
        (INPUT, "{args: '{\"text\": text}'}", "steps.2.input: args given, text expected, and"),
        (INPUT, "{parameters: parameters}", "steps.2: input 'parameters' is unknown"),
        (INPUT, "{text: text, parameters: '{\"truncate\": 1}'}", "input.parameters: 'truncate' g"),
        (INPUT, "{text: parameters.tokens}", "'parameters' has no 'tokens'"),
        (INPUT, "{text: 'messages.text'}", "'messages' has no 'text'"),
        ("name: opening", "name: messages", "'messages' is the name of an input already"),
    ],
)
def test_a_pipeline_that_cannot_write_is_refused(
    ready: Bench, old: str, new: str, said: str
) -> None:
    with pytest.raises(BundleRefused) as caught:
        publish_pipeline(ready.edge, TELLER.replace(old, new))
    assert said in "\n".join(caught.value.reasons)
