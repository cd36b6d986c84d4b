"""Steps over lists and over several models, through ``infer``: what each means."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from serval.errors import BundleRefused
from serval.models.tensor import Tensor
from serval.pipelines.ensembles import draw_number
from serval.protocol.binary_tensors import bytes_array
from tests.fakes.inference import TWO_COLUMNS, Bench, answer, plus, refusal, task_event
from tests.fakes.pipelines import publish_pipeline, ready_bench
from tests.fakes.task_models import publish_sentiment

NUMBERS = "name: p\ninputs: [{name: x, datatype: FP32, shape: [-1, 2]}]\nsteps:\n"
TEXTS = "name: p\ninputs: [{name: text, datatype: BYTES, shape: [1]}]\nsteps:\n"


DRAWN = [164, 868, 945]


@pytest.fixture
def ready(tmp_path: Path) -> Bench:
    made = ready_bench(tmp_path)
    made.edge.publish("hundred", "1", plus(100), TWO_COLUMNS)
    publish_sentiment(made.edge, "other")
    return made


def publish(ready: Bench, steps: str, output: str = "a", head: str = NUMBERS) -> None:
    publish_pipeline(ready.edge, f"{head}{steps}\noutput: {output}")


def reply(ready: Bench, inputs: Any) -> dict[str, Any]:
    body = json.dumps({"inputs": inputs})
    return ready.endpoint.reply(task_event("p", body, content_type="application/json"))


def say(ready: Bench, inputs: Any) -> Any:
    found = reply(ready, inputs)
    assert found["statusCode"] == 200, found
    return json.loads(found["body"])


def tensor(ready: Bench, *data: float) -> Any:
    (output,) = answer(reply(ready, {"x": [list(data)]}))["outputs"]
    return output["data"]


def lose(ready: Bench, model: str) -> None:
    """Let a model be gone, as if it had been deleted."""
    del ready.edge.routes[model]
    ready.clock.seconds += 6


def test_a_step_is_done_for_each_item_of_a_list(ready: Bench) -> None:
    publish(ready, "  - {name: a, map: 'x[0]', model: one, input: {x: '[[item, 2]]'}}")
    assert say(ready, [[5, 7]]) == [{"y": [[6, 3]]}, {"y": [[8, 3]]}]


def test_a_rule_is_done_for_each_item_by_the_name_it_is_given(ready: Bench) -> None:
    publish(ready, "  - {name: a, map: x, item: row, rule: '$sum(row)', limit: 2}")
    assert say(ready, [[5, 7], [1, 2]]) == [12, 3]


@pytest.mark.parametrize(("items", "expected"), [("x[0][$ > 5]", [14]), ("x[0][$ > 9]", [])])
def test_one_item_is_a_list_of_it_and_nothing_an_empty_list(
    ready: Bench, items: str, expected: list[int]
) -> None:
    publish(ready, f"  - {{name: a, map: '{items}', rule: item * 2}}")
    assert say(ready, [[5, 7]]) == expected


def test_a_map_asks_a_task_for_each_item(ready: Bench) -> None:
    steps = """
  - {name: words, rule: '$split(text, " ")'}
  - {name: a, map: words, item: word, model: sentiment, input: {text: word}}"""
    publish(ready, steps, "a.label", TEXTS)
    assert set(say(ready, "good bad")) == {"POSITIVE", "NEGATIVE"}


def test_an_item_that_fails_is_named_and_fails_its_step(ready: Bench) -> None:
    publish(ready, "  - {name: a, map: 'x[0]', rule: '10 / (item > 5 ? $error(\"big\") : 1)'}")
    assert refusal(reply(ready, [[5, 7]]), 500).startswith(
        "model 'p' version '1' failed: step 'a': item 1: "
    )


def test_a_value_stands_for_the_whole_of_a_map_that_fails(ready: Bench) -> None:
    steps = (
        "  - {name: a, map: 'x[0]', rule: 'item > 5 ? $error(\"x\") : item', on_error: {value: 0}}"
    )
    publish(ready, steps)
    assert say(ready, [[5, 7]]) == 0
    assert say(ready, [[5, 4]]) == [5, 4]


def test_ten_thousand_items_are_refused_by_name(ready: Bench) -> None:
    publish(ready, "  - {name: a, map: '[1..10000]', rule: 'item + x[0][0]'}")
    assert refusal(reply(ready, [[5, 7]]), 500) == (
        "model 'p' version '1' failed: step 'a': map: 10000 items given, at most 1000 allowed"
    )


def test_a_map_over_its_time_ends_before_all_its_items(ready: Bench) -> None:
    publish(ready, "  - {name: a, map: '[1..900]', rule: item, timeout_seconds: 1.0e-9}")
    assert "step 'a': took" in refusal(reply(ready, [[5, 7]]), 500)


def test_several_models_are_done_for_each_item(ready: Bench) -> None:
    steps = (
        "  - {name: a, map: 'x[0]', any_of: [{model: one}, {model: ten}], "
        "input: {x: '[[item, item]]'}}"
    )
    publish(ready, steps, "a.y")
    assert say(ready, [[5, 7]]) == [[6, 6], [8, 8]]
    lose(ready, "one")
    assert say(ready, [[5, 7]]) == [[15, 15], [17, 17]]


def combined(ready: Bench, kind: str, combine: str, text: str = "good good") -> Any:
    publish(
        ready,
        f"  - {{name: a, {kind}: [{{model: sentiment}}, {{model: other}}], combine: {combine}}}",
        head=TEXTS,
    )
    return reply(ready, text)


@pytest.mark.parametrize(
    ("combine", "score"), [("vote", 1), ("mean", pytest.approx(0.88, abs=0.01)), ("max", ...)]
)
def test_answers_that_classify_are_combined(ready: Bench, combine: str, score: Any) -> None:
    found = json.loads(combined(ready, "all_of", combine)["body"])
    assert found[0]["label"] == "POSITIVE"
    assert score is ... or found[0]["score"] == score
    assert [one["score"] for one in found] == sorted((one["score"] for one in found), reverse=True)


def test_an_expression_combines_what_the_models_answer(ready: Bench) -> None:
    combine = '\'$answers.{"by": model, "best": answer[0].label}\''
    assert json.loads(combined(ready, "all_of", combine)["body"]) == [
        {"by": "sentiment", "best": "POSITIVE"},
        {"by": "other", "best": "POSITIVE"},
    ]


def test_tensors_are_combined_by_an_expression(ready: Bench) -> None:
    steps = (
        "  - {name: a, all_of: [{model: one}, {model: ten}], "
        "combine: '$average($answers.answer.y[0][0])'}"
    )
    publish(ready, steps)
    assert say(ready, [[5, 7]]) == 10.5


def test_all_of_fails_with_one_of_its_models(ready: Bench) -> None:
    combined(ready, "all_of", "mean")
    lose(ready, "other")
    assert refusal(reply(ready, "good"), 500).startswith(
        "model 'p' version '1' failed: step 'a': model 'other': model 'other' is not registered"
    )


def test_any_of_leaves_out_what_fails_and_fails_with_the_last(ready: Bench) -> None:
    combined(ready, "any_of", "'$answers.model'")
    lose(ready, "sentiment")
    assert say(ready, "good") == "other"
    lose(ready, "other")
    said = refusal(reply(ready, "good"), 500)
    assert "step 'a': '$answers.model': none of its models answered: model 'sentiment': " in said
    assert "; model 'other': model 'other' is not registered" in said


def test_any_of_without_combine_is_the_first_that_answers(ready: Bench) -> None:
    publish(ready, "  - {name: a, any_of: [{model: one}, {model: ten}]}", "{y: a.y}")
    assert tensor(ready, 1, 2) == [2, 3]
    timing = reply(ready, [[1, 2]])["headers"]["server-timing"]
    assert "step-a__1" in timing
    assert "step-a__2" not in timing, "no other model is asked"
    lose(ready, "one")
    assert tensor(ready, 1, 2) == [11, 12]
    lose(ready, "ten")
    said = refusal(reply(ready, [[1, 2]]), 500)
    assert "step 'a': none of its models answered: model 'one': " in said


def test_the_callers_mistake_is_the_callers_when_no_model_takes_it(ready: Bench) -> None:
    combined(ready, "any_of", "mean")
    said = refusal(reply(ready, "x" * 500_001), 400)
    assert said.count("500001 bytes") == 2


def test_a_list_of_inputs_is_not_combined_as_one(ready: Bench) -> None:
    head = TEXTS.replace("[1]", "[-1]")
    publish(
        ready,
        "  - {name: a, all_of: [{model: sentiment}, {model: other}], combine: vote}",
        head=head,
    )
    assert "combine the answers to one input" in refusal(reply(ready, ["good", "bad"]), 500)


def test_a_cascade_asks_the_next_model_only_if_an_answer_does_not_do(ready: Bench) -> None:
    models = "[{model: one}, {model: ten}, {model: hundred}]"
    publish(ready, f"  - {{name: a, cascade: {models}, until: '$answer.y[0][0] > 12'}}", "{y: a.y}")
    assert tensor(ready, 20, 2) == [21, 3]
    assert tensor(ready, 5, 2) == [15, 12]
    assert tensor(ready, 1, 2) == [101, 102], "the last is the answer, whatever it is"
    timing = reply(ready, [[20, 2]])["headers"]["server-timing"]
    assert "step-a__2" in timing, "it is told what deciding took"


def test_until_has_to_give_a_truth_value(ready: Bench) -> None:
    steps = "  - {name: a, cascade: [{model: one}, {model: ten}], until: '$answer.y[0][0]'}"
    publish(ready, steps, "{y: a.y}")
    said = refusal(reply(ready, [[1, 2]]), 500)
    assert said.endswith("step 'a': model 'ten': '$answer.y[0][0]': until gives no truth value"), (
        said
    )


def test_a_cascade_fails_with_the_model_that_it_needs(ready: Bench) -> None:
    steps = "  - {name: a, cascade: [{model: one}, {model: ten}], until: '$answer.y[0][0] > 9'}"
    publish(ready, steps, "{y: a.y}")
    lose(ready, "ten")
    assert tensor(ready, 20, 2) == [21, 3]
    assert "step 'a': model 'ten': model 'ten' is not" in refusal(reply(ready, [[1, 2]]), 500)


def test_a_split_sends_each_input_to_one_model_always_the_same(ready: Bench) -> None:
    models = "[{model: one, weight: 3}, {model: ten, weight: 1}]"
    publish(ready, f"  - {{name: a, split: {models}}}", "{y: a.y}")
    drawn = [tensor(ready, n, 0)[0] - n for n in range(200)]
    assert drawn == [tensor(ready, n, 0)[0] - n for n in range(200)]
    assert set(drawn) == {1, 10}
    assert 0.6 < drawn.count(1) / 200 < 0.9


def test_models_of_a_step_must_give_the_same_kind_of_answer(ready: Bench) -> None:
    publish(
        ready, "  - {name: a, rule: '$sum(x[0])'}", head=NUMBERS.replace("name: p", "name: sums")
    )
    said = r"steps.0.any_of.1: model 'one' gives tensors, 'sums' gives JSON"
    with pytest.raises(BundleRefused, match=said):
        publish(ready, "  - {name: a, any_of: [{model: one}, {model: sums}], input: {x: x}}", "a")


def test_scores_are_combined_of_models_that_have_some(ready: Bench) -> None:
    with pytest.raises(BundleRefused, match=r"steps.0.combine: 'mean': it has no 'label'"):
        publish(ready, "  - {name: a, all_of: [{model: one}, {model: ten}], combine: mean}")


def test_a_split_draws_the_same_number_in_every_engine_and_release() -> None:
    x = Tensor("x", "FP32", np.array([[1, 2]], np.float32))
    text = Tensor("text", "BYTES", bytes_array([b"a", b"bc"], [2]))
    assert [draw_number("p", "a", 1000, given) for given in ([x], [text], [x, text])] == DRAWN
