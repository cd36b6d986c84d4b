"""Answers that are kept: a second call of the same costs no run, in ``infer`` and in pipelines."""

import json
from typing import Any

import pytest

from serval.errors import BundleRefused
from serval.models.route import Route
from tests.fakes.answers import InMemoryAnswers, cache_answers, declare_cache
from tests.fakes.inference import TWO_COLUMNS, Bench, answer, document, event, plus, task_event
from tests.fakes.pipelines import publish_pipeline
from tests.fakes.task_models import publish_recorded, publish_sentiment

HEAD = """
name: chain
inputs: [{name: x, datatype: FP32, shape: [-1, 2]}]
steps:
"""
CHAIN = (
    HEAD
    + """
  - {name: first, model: one}
  - {name: second, model: ten, input: {x: first.y}, cache: {ttl_seconds: 60}}
output: {total: second.y, half: first.y}
"""
)
NO_CACHE = CHAIN.replace(", cache: {ttl_seconds: 60}", "")
MOOD = """
name: mood
inputs: [{name: text, datatype: BYTES, shape: [1]}]
steps: [{name: mood, model: sentiment, cache: {ttl_seconds: 60}}]
output: mood[0].label
"""


@pytest.fixture
def cache(ready: Bench) -> InMemoryAnswers:
    return cache_answers(ready)


def ask(ready: Bench, model: str = "chain", data: Any = (1, 2)) -> tuple[Any, str]:
    reply = ready.endpoint.reply(event(model, document(data)))
    found = {each["name"]: each["data"] for each in answer(reply)["outputs"]}
    return found, reply["headers"].get("serval-cache", "")


def say(ready: Bench, model: str, inputs: Any, **parameters: Any) -> tuple[Any, str]:
    body = json.dumps({"inputs": inputs, "parameters": parameters})
    reply = ready.endpoint.reply(task_event(model, body, content_type="application/json"))
    assert reply["statusCode"] == 200, reply
    return json.loads(reply["body"]), reply["headers"].get("serval-cache", "")


def test_the_same_inputs_are_answered_once(ready: Bench, cache: InMemoryAnswers) -> None:
    declare_cache(ready.edge, "ten")
    assert ask(ready, "ten") == ({"y": [11, 12]}, "miss")
    ready.edge.artifacts.clear()
    assert ask(ready, "ten") == ({"y": [11, 12]}, "hit")
    assert ask(ready, "ten", (1, 3)) == ({"y": [11, 13]}, "miss")
    assert [key.partition("/")[0] for key in cache.bodies] == ["ten", "ten"]


def test_an_answer_is_no_older_than_its_reader_wants(ready: Bench, cache: InMemoryAnswers) -> None:
    declare_cache(ready.edge, "ten", 60)
    ask(ready, "ten")
    ready.clock.seconds += 60
    assert ask(ready, "ten")[1] == "hit"
    ready.clock.seconds += 1
    assert ask(ready, "ten")[1] == "miss"
    assert ask(ready, "ten")[1] == "hit"


def test_versions_never_share_answers(ready: Bench, cache: InMemoryAnswers) -> None:
    declare_cache(ready.edge, "ten")
    ask(ready, "ten")
    ready.edge.publish("ten", "2", plus(20), TWO_COLUMNS)
    declare_cache(ready.edge, "ten", version="2")
    ready.edge.routes["ten"] = Route("1", "2", 100, "r")
    ready.clock.seconds += 6
    assert ask(ready, "ten") == ({"y": [21, 22]}, "miss")
    ready.edge.routes["ten"] = Route("1", "2", 0, "r")
    ready.clock.seconds += 6
    assert ask(ready, "ten") == ({"y": [11, 12]}, "hit")


def test_a_model_without_a_cache_asks_none(ready: Bench, cache: InMemoryAnswers) -> None:
    publish_pipeline(ready.edge, NO_CACHE)
    assert [ask(ready)[1], ask(ready, "ten")[1]] == ["", ""]
    assert (cache.asked, cache.kept) == (0, 0)


def test_a_step_is_skipped_whose_answer_is_known(ready: Bench, cache: InMemoryAnswers) -> None:
    publish_pipeline(ready.edge, CHAIN)
    expected = {"total": [12, 13], "half": [2, 3]}
    assert ask(ready) == (expected, "second=miss")
    assert ask(ready) == (expected, "second=hit")
    assert ask(ready, data=(5, 6))[1] == "second=miss"


def test_pipelines_and_callers_share_a_models_answers(ready: Bench, cache: InMemoryAnswers) -> None:
    publish_pipeline(ready.edge, CHAIN)
    publish_pipeline(ready.edge, CHAIN.replace("name: chain", "name: other"))
    declare_cache(ready.edge, "ten")
    ask(ready)
    assert ask(ready, "other")[1] == "second=hit"
    assert ask(ready, "ten", (2, 3)) == ({"y": [12, 13]}, "hit")


def test_a_models_own_cache_serves_steps_that_say_nothing(
    ready: Bench, cache: InMemoryAnswers
) -> None:
    publish_pipeline(ready.edge, NO_CACHE)
    declare_cache(ready.edge, "ten")
    assert ask(ready)[1] == "second=miss"
    assert ask(ready)[1] == "second=hit"


def test_a_new_version_of_a_steps_model_is_asked(ready: Bench, cache: InMemoryAnswers) -> None:
    publish_pipeline(ready.edge, CHAIN)
    ask(ready)
    ready.edge.publish("ten", "2", plus(20), TWO_COLUMNS)
    ready.clock.seconds += 6
    found, outcome = ask(ready)
    assert (found["total"], outcome) == ([22, 23], "second=miss")


def test_a_tasks_answers_are_known_by_inputs_and_parameters(
    ready: Bench, cache: InMemoryAnswers
) -> None:
    publish_pipeline(ready.edge, MOOD)
    declare_cache(ready.edge, "sentiment")
    whole, outcome = say(ready, "sentiment", "good good")
    assert outcome == "miss"
    assert say(ready, "sentiment", "good good") == (whole, "hit")
    assert say(ready, "sentiment", "good good", top_k=1)[1] == "miss"
    assert say(ready, "sentiment", "good bad")[1] == "miss"
    assert say(ready, "sentiment", ["good", "good"])[1] == "miss"
    assert say(ready, "mood", "good good") == ("POSITIVE", "mood=hit")


def test_each_item_of_a_map_is_looked_up(ready: Bench, cache: InMemoryAnswers) -> None:
    text = MOOD.replace("[1]", "[-1]").replace(
        "model: sentiment", "map: text, model: sentiment, input: {text: item}"
    )
    publish_pipeline(ready.edge, text.replace("output: mood[0].label", "output: mood[0].label[0]"))
    assert say(ready, "mood", ["good", "bad"])[1] == "mood=miss"
    assert say(ready, "mood", ["bad", "good"])[1] == "mood=hit"
    assert say(ready, "mood", ["bad", "good good"])[1] == "mood=miss"
    assert cache.kept == 3


def test_several_models_of_a_step_have_their_own_answers(
    ready: Bench, cache: InMemoryAnswers
) -> None:
    publish_sentiment(ready.edge, "other")
    text = MOOD.replace(
        "model: sentiment", "all_of: [{model: sentiment}, {model: other}], combine: mean"
    )
    publish_pipeline(ready.edge, text)
    assert say(ready, "mood", "good")[1] == "mood__1=miss, mood__2=miss"
    assert say(ready, "mood", "good") == ("POSITIVE", "mood__1=hit, mood__2=hit")


def test_text_that_may_be_sampled_is_kept_only_with_a_seed(
    ready: Bench, cache: InMemoryAnswers
) -> None:
    publish_recorded(ready.edge, "story", "gpt2", "text-generation")
    declare_cache(ready.edge, "story")
    few: dict[str, Any] = {"max_new_tokens": 2}
    assert say(ready, "story", "a", **few)[1] == "bypass"
    assert cache.asked == 0
    for said in ({"seed": 7, "do_sample": True}, {"do_sample": False}):
        first, outcome = say(ready, "story", "a", **few, **said)
        assert outcome == "miss"
        assert say(ready, "story", "a", **few, **said) == (first, "hit")


def test_a_cache_that_fails_fails_no_call(ready: Bench, cache: InMemoryAnswers) -> None:
    declare_cache(ready.edge, "ten")
    cache.fails = True
    assert ask(ready, "ten") == ({"y": [11, 12]}, "miss")
    [line] = ready.log
    assert json.loads(line)["error"] == "it did not answer"
    assert counted(ready, "cached") == {"Requests": 1, "Errors": 1}
    ask(ready, "ten")
    assert cache.asked == 1, "a cache that has failed is left alone for a while"
    cache.fails = False
    ready.clock.seconds += 11
    ask(ready, "ten")
    assert ask(ready, "ten")[1] == "hit"


def test_what_cannot_be_read_is_computed_anew(ready: Bench, cache: InMemoryAnswers) -> None:
    declare_cache(ready.edge, "ten")
    declare_cache(ready.edge, "sentiment")
    ask(ready, "ten")
    say(ready, "sentiment", "good")
    for damage in (b"", b"\0" * 8 + b"{", b"\xff" * 40):
        for key in cache.bodies:
            cache.bodies[key] = ready.clock.seconds, damage
        ready.clock.seconds += 11
        assert ask(ready, "ten") == ({"y": [11, 12]}, "miss")
        ready.clock.seconds += 11
        assert say(ready, "sentiment", "good")[1] == "miss"


def test_rollouts_see_no_hits(ready: Bench, cache: InMemoryAnswers) -> None:
    declare_cache(ready.edge, "ten")
    publish_pipeline(ready.edge, CHAIN)
    for model in ("ten", "chain"):
        ask(ready, model), ask(ready, model)
        assert counted(ready, "stable", model)["Requests"] == 1
        assert counted(ready, "cached", model)["Requests"] == 1


def test_a_hit_within_a_pipeline_that_is_a_step_is_none_of_its_versions_speed(
    ready: Bench, cache: InMemoryAnswers
) -> None:
    publish_pipeline(ready.edge, CHAIN)
    outer = HEAD.replace("chain", "outer") + "  - {name: inner, model: chain}\noutput: inner\n"
    publish_pipeline(ready.edge, outer)
    assert [ask(ready, "outer")[1], ask(ready, "outer")[1]] == ["", ""]
    assert counted(ready, "cached", "outer")["Requests"] == 1


def counted(ready: Bench, track: str, model: str = "ten") -> dict[str, int]:
    ready.endpoint.metrics.flush()
    found = [json.loads(line) for line in ready.printed]
    mine = [one for one in found if one["Model"] == model and one["Track"] == track]
    return {name: sum(one[name] for one in mine) for name in ("Requests", "Errors")}


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        ("{name: s, rule: '1', cache: {ttl_seconds: 5}}", "'cache' is for steps with 'model'"),
        ("{name: s, model: inner, cache: {ttl_seconds: 5}}", "is a pipeline, whose steps may"),
        ("{name: s, model: ten, cache: {ttl_seconds: 0}}", "greater than or equal to 1"),
        ("{name: s, model: ten, cache: {ttl: 5}}", "unknown key 'ttl'"),
    ],
)
def test_a_cache_that_makes_no_sense_is_refused(ready: Bench, step: str, reason: str) -> None:
    publish_pipeline(ready.edge, NO_CACHE.replace("name: chain", "name: inner"))
    with pytest.raises(BundleRefused, match=reason):
        publish_pipeline(ready.edge, f"{HEAD}  - {step}\noutput: s\n")
