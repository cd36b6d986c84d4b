"""Pipelines of text-generation: steps prepare what a model writes after, in every API."""

import json
from dataclasses import replace
from typing import Any

import pytest

from serval.models.metadata import model_metadata
from tests.fakes.answers import cache_answers, declare_cache
from tests.fakes.batch import BatchStage
from tests.fakes.inference import Bench, event, task_event
from tests.fakes.pipelines import publish_pipeline
from tests.fakes.task_models import publish_recorded
from tests.functional.test_cached_answers import counted

TELLER = """
name: teller
task: text-generation
steps:
  - {name: mood, model: sentiment}
  - {name: opening, rule: 'mood[0].label = "POSITIVE" ? "Hm: " : "No: "'}
  - {name: tale, model: gpt, input: {text: opening & text}}
output: tale
"""
INPUT = "{text: opening & text}"
TEMPLATE = "{% for m in messages %}{{ m.role[0] }}: {{ m.content }}\n{% endfor %}a:"
CHAT = [
    {"role": "system", "content": "Be short"},
    {"role": "user", "content": "bad"},
    {"role": "assistant", "content": "yes"},
    {"role": "user", "content": "good"},
]
COMPLETIONS, CHATS = "/v1/completions", "/v1/chat/completions"
USAGE = {"stream_options": {"include_usage": True}}


@pytest.fixture(autouse=True)
def teller(ready: Bench) -> None:
    publish_teller(ready)


def publish_teller(ready: Bench) -> None:
    publish_recorded(ready.edge, "gpt", "gpt2", "text-generation", chat_template=TEMPLATE)
    publish_pipeline(ready.edge, TELLER)


def publish(ready: Bench, text: str) -> None:
    publish_pipeline(ready.edge, text)
    ready.endpoint.inference.loaded.let_go("teller", "1")


def publish_input(ready: Bench, given: str) -> None:
    publish(ready, TELLER.replace(INPUT, given))


def ask(ready: Bench, body: Any, model: str = "teller") -> dict[str, Any]:
    sent = task_event(model, json.dumps(body), content_type="application/json")
    return replace(ready.endpoint, streams=True).reply(sent)


def post(ready: Bench, path: str, body: Any, model: str | None = "teller") -> dict[str, Any]:
    made = event("", json.dumps({"model": model, **body} if model else body))
    made["requestContext"]["http"]["path"] = path
    endpoint = replace(ready.endpoint, streams=True)
    return endpoint.reply(made | {"rawPath": path, "pathParameters": None})


def told(reply: dict[str, Any]) -> Any:
    assert reply["statusCode"] == 200, reply
    return json.loads(reply["body"])


def events(reply: dict[str, Any]) -> list[Any]:
    """Read the events of a stream, but for the one that ends it."""
    assert reply["statusCode"] == 200, reply
    data = [piece.decode().removeprefix("data: ").strip() for piece in reply["chunks"]]
    return [json.loads(each) for each in data if each != "[DONE]"]


def error_of(reply: dict[str, Any], status: int) -> Any:
    assert reply["statusCode"] == status, reply
    return json.loads(reply["body"])["error"]


def same_but_for_the_head(mine: Any, theirs: Any) -> bool:
    head = ("id", "created", "model", "system_fingerprint")
    return {name: mine[name] for name in mine if name not in head} == {
        name: theirs[name] for name in theirs if name not in head
    }


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"details": True, "top_n_tokens": 2, "decoder_input_details": True},
        {"return_full_text": True, "temperature": 0.8, "seed": 3},
    ],
)
def test_a_text_gets_its_models_answer_to_the_prepared_prompt(
    ready: Bench, asked: dict[str, Any]
) -> None:
    parameters = {"max_new_tokens": 5, **asked}
    mine = told(ask(ready, {"inputs": "good dog", "parameters": parameters}))
    assert mine == told(ask(ready, {"inputs": "Hm: good dog", "parameters": parameters}, "gpt"))


def test_every_text_of_a_list_is_prepared_by_itself(ready: Bench) -> None:
    texts = {"inputs": ["good", "bad"], "max_new_tokens": 4}
    reply = ask(ready, texts)
    assert told(reply) == told(ask(ready, {**texts, "inputs": ["Hm: good", "No: bad"]}, "gpt"))
    timing = reply["headers"]["server-timing"]
    assert [timing.count(f"step-{name};dur=") for name in ("mood", "opening", "tale")] == [1, 1, 1]
    assert reply["headers"]["serval-step-versions"] == "mood=1, tale=1"


def test_its_tokens_are_streamed_in_the_words_of_the_task(ready: Bench) -> None:
    asked = {"max_new_tokens": 5, "details": True, "return_full_text": True}
    reply = ask(ready, {"inputs": "bad", "parameters": asked, "stream": True})
    theirs = {"inputs": "No: bad", "parameters": asked, "stream": True}
    assert events(reply) == events(ask(ready, theirs, "gpt"))
    assert reply["headers"]["serval-step-versions"] == "mood=1, tale=1"
    assert "step-opening;dur=" in reply["headers"]["server-timing"]


@pytest.mark.parametrize("more", [{}, {"n": 2, "temperature": 0.9, "seed": 1}, {"echo": True}])
@pytest.mark.parametrize("prompt", ["good", ["good", "bad cat"]])
def test_completions_are_what_its_model_writes_after_prepared_prompts(
    ready: Bench, prompt: Any, more: dict[str, Any]
) -> None:
    prepared = {"good": "Hm: good", "bad cat": "No: bad cat"}
    own = [prepared[each] for each in prompt] if isinstance(prompt, list) else prepared[prompt]
    said = {"max_tokens": 4, **more}
    mine = told(post(ready, COMPLETIONS, {"prompt": prompt, **said}))
    theirs = told(post(ready, COMPLETIONS, {"prompt": own, **said}, "gpt"))
    assert (mine["model"], mine["system_fingerprint"]) == ("teller", "version-1")
    assert same_but_for_the_head(mine, theirs)
    said |= {"stream": True, **USAGE}
    mine = events(post(ready, COMPLETIONS, {"prompt": prompt, **said}))
    theirs = events(post(ready, COMPLETIONS, {"prompt": own, **said}, "gpt"))
    assert len(mine) == len(theirs) > 3
    assert all(map(same_but_for_the_head, mine, theirs))
    assert {each["model"] for each in mine} == {"teller"}


def test_a_chat_is_prepared_from_its_users_last_message(ready: Bench) -> None:
    chat = {"messages": CHAT, "max_completion_tokens": 4, "logprobs": True, "top_logprobs": 2}
    own = {**chat, "messages": [*CHAT[:-1], {"role": "user", "content": "Hm: good"}]}
    reply = post(ready, CHATS, chat)
    mine = told(reply)
    assert mine["model"] == "teller"
    assert same_but_for_the_head(mine, told(post(ready, CHATS, own, "gpt")))
    assert "step-tale;dur=" in reply["headers"]["server-timing"]
    streamed = {"stream": True, **USAGE}
    chunks = events(post(ready, CHATS, chat | streamed))
    theirs = events(post(ready, CHATS, own | streamed, "gpt"))
    assert len(chunks) == len(theirs)
    assert all(map(same_but_for_the_head, chunks, theirs))


def test_parts_of_a_message_are_one_text_to_the_steps(ready: Bench) -> None:
    parts = [{"type": "text", "text": "good"}, {"type": "text", "text": "dog"}]
    chat = {"messages": [{"role": "user", "content": parts}], "max_tokens": 3}
    own = {**chat, "messages": [{"role": "user", "content": "Hm: good\ndog"}]}
    mine, theirs = told(post(ready, CHATS, chat)), told(post(ready, CHATS, own, "gpt"))
    assert same_but_for_the_head(mine, theirs)


def test_expressions_read_the_messages_of_a_chat_and_none_of_another_call(ready: Bench) -> None:
    publish_input(ready, "{text: '$count(messages) & messages[0].content & text'}")
    chat = {"messages": CHAT, "max_tokens": 3}
    own = {**chat, "messages": [*CHAT[:-1], {"role": "user", "content": "4Be shortgood"}]}
    mine, theirs = told(post(ready, CHATS, chat)), told(post(ready, CHATS, own, "gpt"))
    assert same_but_for_the_head(mine, theirs)
    text = {"inputs": "good", "max_new_tokens": 3}
    assert told(ask(ready, text)) == told(ask(ready, {**text, "inputs": "0good"}, "gpt"))


def test_expressions_read_the_parameters_in_the_words_of_the_task(ready: Bench) -> None:
    publish_input(ready, "{text: '$string(parameters.max_new_tokens) & text'}")
    theirs = told(post(ready, COMPLETIONS, {"prompt": "3good", "max_tokens": 3}, "gpt"))
    mine = told(post(ready, COMPLETIONS, {"prompt": "good", "max_tokens": 3}))
    assert same_but_for_the_head(mine, theirs)
    chat = {"messages": [{"role": "user", "content": "good"}], "max_completion_tokens": 3}
    own = {**chat, "messages": [{"role": "user", "content": "3good"}]}
    mine, theirs = told(post(ready, CHATS, chat)), told(post(ready, CHATS, own, "gpt"))
    assert same_but_for_the_head(mine, theirs)


def test_what_the_step_chooses_stands_in_the_place_of_what_the_caller_says(ready: Bench) -> None:
    publish_input(ready, "{text: text, parameters: '{\"max_new_tokens\": 2}'}")
    text = {"inputs": "good", "max_new_tokens": 7, "details": True}
    assert told(ask(ready, text))[0]["details"]["generated_tokens"] == 2
    for body in ({}, {"max_tokens": 7}):
        for path, asked in (
            (COMPLETIONS, {"prompt": "good"}),
            (CHATS, {"messages": CHAT}),
        ):
            found = told(post(ready, path, asked | body))
            assert found["usage"]["completion_tokens"] == 2
            assert len(events(post(ready, path, asked | body | {"stream": True}))) <= 4


def test_the_callers_parameters_may_be_handed_on_as_they_are(ready: Bench) -> None:
    publish_input(ready, "{text: text, parameters: parameters}")
    text = {"inputs": "good", "max_new_tokens": 4, "details": True}
    assert told(ask(ready, text)) == told(ask(ready, text, "gpt"))
    body = {"prompt": "good", "max_tokens": 4, "temperature": 0.5, "seed": 1}
    mine, theirs = (told(post(ready, COMPLETIONS, body, name)) for name in ("teller", "gpt"))
    assert same_but_for_the_head(mine, theirs)


CHOOSES = "{text: text, parameters: '{\"max_new_tokens\": $length(text)}'}"


def test_texts_with_parameters_of_their_own_are_answered_in_order(ready: Bench) -> None:
    publish_input(ready, CHOOSES)
    texts = ["good", "go", "ok", "bad"]
    found = told(ask(ready, {"inputs": texts, "details": True}))
    assert [one["details"]["generated_tokens"] for one in found] == [4, 2, 2, 3]
    assert told(post(ready, COMPLETIONS, {"prompt": ["go", "ok"]}))["choices"]
    refused = error_of(post(ready, COMPLETIONS, {"prompt": texts}), 400)
    assert "4 prompts given, one expected" in refused["message"]


def test_answers_of_its_model_are_kept_as_that_models_cache_says(ready: Bench) -> None:
    cache_answers(ready)
    declare_cache(ready.edge, "gpt")
    body = {"inputs": "good", "max_new_tokens": 3, "do_sample": False}
    outcomes = [ask(ready, body)["headers"]["serval-cache"] for _ in range(2)]
    assert outcomes == ["tale=miss", "tale=hit"]
    assert post(ready, COMPLETIONS, {"prompt": "good", "max_tokens": 3})["statusCode"] == 200


def test_a_stream_tells_of_kept_answers_and_counts_them_apart(ready: Bench) -> None:
    cache_answers(ready)
    declare_cache(ready.edge, "sentiment")
    body = {"inputs": "good", "max_new_tokens": 3, "stream": True}
    outcomes = [ask(ready, body)["headers"]["serval-cache"] for _ in range(2)]
    assert outcomes == ["mood=miss", "mood=hit"]
    assert counted(ready, "cached", "teller")["Requests"] == 1


def test_a_stream_tells_what_it_loads_for_its_steps(ready: Bench) -> None:
    body = {"inputs": "good", "max_new_tokens": 3, "stream": True}
    timings = []
    for _ in range(2):
        timings.append(ask(ready, body)["headers"]["server-timing"].partition(";")[0])
    ready.endpoint.inference.loaded.let_go("gpt", "1")
    timings.append(ask(ready, body)["headers"]["server-timing"].partition(";")[0])
    assert timings == ["load", "infer", "load"]


def test_other_protocols_treat_it_as_a_model_of_the_task(ready: Bench) -> None:
    [expected] = told(ask(ready, {"inputs": "good", "max_new_tokens": 3}))
    three = {"name": "parameters", "datatype": "BYTES", "shape": [1]}
    tensors = [
        {"name": "text", "datatype": "BYTES", "shape": [1], "data": ["good"]},
        {**three, "data": ['{"max_new_tokens": 3}']},
    ]
    [output] = told(ready.endpoint.reply(event("teller", json.dumps({"inputs": tensors}))))[
        "outputs"
    ]
    assert json.loads(output["data"][0]) == expected
    predict = {"instances": ["good"], "parameters": {"max_new_tokens": 3}}
    v1 = told(post(ready, "/v1/models/teller:predict", predict))
    assert v1["predictions"] == [expected]


def test_sagemakers_stream_has_a_part_for_each_token(ready: Bench) -> None:
    body = {"inputs": "good", "parameters": {"max_new_tokens": 3}}
    reply = post(ready, "/endpoints/teller/invocations-response-stream", body, None)
    assert len([*reply["chunks"]]) == len(events(ask(ready, {**body, "stream": True}))) > 1


def test_it_is_described_with_its_task(ready: Bench) -> None:
    described = model_metadata(ready.edge.records["teller", "1"], ["1"])
    assert described["task"] == "text-generation"
    assert [each["name"] for each in described["inputs"]] == ["text"]
    assert [each["name"] for each in described["steps"]] == ["mood", "opening", "tale"]


def test_it_works_as_a_step_like_a_model_of_its_task(ready: Bench) -> None:
    outer = """
name: outer
task: summarization
steps: [{name: told, model: teller, input: {text: text, parameters: '{"max_new_tokens": 3}'}}]
output: '{"summary_text": told.generated_text}'
"""
    publish_pipeline(ready.edge, outer)
    [expected] = told(ask(ready, {"inputs": "good", "max_new_tokens": 3}))
    found = told(ask(ready, {"inputs": "good"}, "outer"))
    assert found == [{"summary_text": expected["generated_text"]}]


def test_a_batch_job_writes_after_a_column_of_texts(ready: Bench) -> None:
    stage = BatchStage()
    text = TELLER.replace("name: teller", "name: adding").replace(INPUT, CHOOSES)
    stage.registry.publish(publish_pipeline(ready.edge, text))
    stage.work = replace(stage.work, load=ready.endpoint.inference.loaded.get)
    job = stage.run(stage.upload("texts.csv", b"text\ngo\ngood\n", {}))
    assert (job.status, job.error, job.rows) == ("succeeded", None, 2)
    found = [json.loads(line) for line in stage.output(job, "output.jsonl").splitlines()]
    for text, one in zip(("go", "good"), found, strict=True):
        asked = {"inputs": text, "max_new_tokens": len(text)}
        assert [one["answers"]] == told(ask(ready, asked, "gpt"))


def test_a_step_without_input_writes_after_the_text_itself(ready: Bench) -> None:
    publish(ready, TELLER.replace(f", input: {INPUT}", ""))
    body = {"inputs": "good", "max_new_tokens": 3}
    assert told(ask(ready, body)) == told(ask(ready, body, "gpt"))
