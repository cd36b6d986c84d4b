"""Steps that fail are counted wherever pipelines run, whether or not something stands in."""

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.durable import DurableStage
from tests.fakes.inference import Bench, document, event, task_event
from tests.fakes.pipelines import publish_pipeline
from tests.fakes.worker import FAILS, IS_REFUSED, row_of

HEAD = "inputs: [{name: x, datatype: FP32, shape: [-1, 2]}]\nsteps:\n"
DURABLE = f"name: chain\ndurable: true\n{HEAD}"


@pytest.fixture
def stage(tmp_path: Path) -> DurableStage:
    return DurableStage(tmp_path)


def failed_steps(printed: Iterable[str]) -> dict[str, int]:
    """Add up what the printed metrics say of steps."""
    found: Counter[str] = Counter()
    for line in printed:
        if '"Step"' in line:
            metrics = json.loads(line)
            found[f"{metrics['Model']}.{metrics['Step']}"] += metrics["Errors"]
    return dict(found)


def publish(ready: Bench, steps: str, output: str = "a", name: str = "p") -> None:
    publish_pipeline(ready.edge, f"name: {name}\n{HEAD}{steps}\noutput: {output}")


def ask(ready: Bench, name: str = "p") -> int:
    return int(ready.endpoint.reply(event(name, document()))["statusCode"])


def lose(ready: Bench, model: str) -> None:
    del ready.edge.routes[model]
    ready.clock.seconds += 6


def test_nothing_is_counted_while_nothing_fails(ready: Bench) -> None:
    publish(ready, "  - {name: a, model: one}", "{y: a.y}")
    assert ask(ready) == 200
    assert ready.printed
    assert failed_steps(ready.printed) == {}


def test_a_step_that_fails_its_request_is_counted(ready: Bench) -> None:
    publish(ready, "  - {name: a, model: one}\n  - {name: b, rule: a.y}", "b")
    lose(ready, "one")
    assert [ask(ready), ask(ready)] == [500, 500]
    assert failed_steps(ready.printed) == {"p.a": 2}


@pytest.mark.parametrize("more", ["{value: 1}", "{step: other}"])
def test_a_failed_step_is_counted_even_if_something_stands_in(ready: Bench, more: str) -> None:
    other = "  - {name: other, rule: '1'}" if "step" in more else ""
    publish(ready, f"  - {{name: a, rule: '$error(\"no\")', on_error: {more}}}\n{other}")
    assert ask(ready) == 200
    assert failed_steps(ready.printed) == {"p.a": 1}


def test_a_stand_in_that_fails_too_is_counted_as_well(ready: Bench) -> None:
    publish(
        ready,
        "  - {name: a, model: one, on_error: {step: b}}\n  - {name: b, model: ten}",
        "{y: a.y}",
    )
    lose(ready, "one")
    lose(ready, "ten")
    assert ask(ready) == 500
    assert failed_steps(ready.printed) == {"p.a": 1, "p.b": 1}


def test_a_step_that_left_out_a_model_is_counted(ready: Bench) -> None:
    publish(ready, "  - {name: a, any_of: [{model: one}, {model: ten}]}", "{y: a.y}")
    lose(ready, "one")
    assert ask(ready) == 200
    assert failed_steps(ready.printed) == {"p.a": 1}
    lose(ready, "ten")
    assert ask(ready) == 500
    assert failed_steps(ready.printed) == {"p.a": 2}, "once a run"


def test_a_step_is_counted_once_however_many_of_its_items_fail(ready: Bench) -> None:
    step = "  - {name: a, map: 'x[0]', any_of: [{model: one}, {model: ten}], "
    publish(ready, step + "input: {x: '[[item, 1]]'}}", "a.y[0][0]")
    lose(ready, "one")
    assert ask(ready) == 200
    assert failed_steps(ready.printed) == {"p.a": 1}


def test_what_the_caller_got_wrong_is_not_counted(ready: Bench) -> None:
    text = "name: p\ninputs: [{name: text, datatype: BYTES, shape: [1]}]\nsteps:\n"
    publish_pipeline(ready.edge, f"{text}  - {{name: a, model: sentiment}}\noutput: a")
    body = json.dumps({"inputs": "x" * 500_001})
    assert ready.endpoint.reply(task_event("p", body))["statusCode"] == 400
    assert failed_steps(ready.printed) == {}


def test_what_a_pipeline_gives_its_own_step_is_counted(ready: Bench) -> None:
    text = "name: p\ninputs: [{name: text, datatype: BYTES, shape: [1]}]\nsteps:\n"
    steps = "  - {name: long, rule: text}\n  - {name: a, model: sentiment, input: {text: long}}"
    publish_pipeline(ready.edge, f"{text}{steps}\noutput: a")
    body = json.dumps({"inputs": "x" * 500_001})
    assert ready.endpoint.reply(task_event("p", body))["statusCode"] == 500
    assert failed_steps(ready.printed) == {"p.a": 1}


def test_a_pipeline_within_another_has_its_own_steps_counted(ready: Bench) -> None:
    publish(ready, "  - {name: a, rule: '$error(\"no\")', on_error: {value: 1}}", name="inner")
    publish(ready, "  - {name: out, model: inner}", "out")
    assert ask(ready) == 200
    assert failed_steps(ready.printed) == {"inner.a": 1}


def answer(stage: DurableStage, text: str, value: float = 4.0) -> str:
    publish_pipeline(stage.world.registry, text)
    stage.world.submit("r1", model="chain", payload=row_of(value))
    stage.finish("chain")
    return stage.world.row("r1").status


def test_steps_of_an_async_request_are_counted(stage: DurableStage) -> None:
    step = "  - {name: a, rule: '$error(\"no\")', on_error: {value: 1}}\n"
    text = DURABLE.replace("durable: true\n", "")
    assert answer(stage, f"{text}{step}output: a") == "succeeded"
    assert failed_steps(stage.world.log) == {"chain.a": 1}


def test_a_step_that_fails_a_durable_pipeline_is_counted_once(stage: DurableStage) -> None:
    text = DURABLE + "  - {name: a, model: one}\n  - {name: b, model: textgen}\n"
    stage.world.broken.add(100.0)
    assert answer(stage, f"{text}output: '[a.y, b.y]'") == "failed"
    assert failed_steps(stage.world.log) == {"chain.b": 1}, "however often it was run"


def test_a_failed_step_of_a_durable_pipeline_is_counted_even_if_something_stands_in(
    stage: DurableStage,
) -> None:
    stage.world.broken.add(100.0)
    steps = "  - {name: a, model: textgen, on_error: {step: b}}\n  - {name: b, model: one}\n"
    assert answer(stage, f"{DURABLE}{steps}output: {{y: a.y}}") == "succeeded"
    assert failed_steps(stage.world.log) == {"chain.a": 1}


def test_a_step_whose_function_dies_again_and_again_is_counted(stage: DurableStage) -> None:
    def die(what: str) -> None:
        if (
            what == "call"
            and stage.events[-1].get("step") == "a"
            and "error" not in stage.events[-1]
        ):
            raise Exception("killed")

    stage.before = die
    assert answer(stage, DURABLE + "  - {name: a, model: one}\noutput: {y: a.y}") == "failed"
    assert failed_steps(stage.world.log) == {"chain.a": 1}


@pytest.mark.parametrize(("value", "counted"), [(IS_REFUSED, {}), (FAILS, {"chain.a": 1})])
def test_a_durable_pipelines_caller_is_told_apart(
    stage: DurableStage, value: float, counted: dict[str, Any]
) -> None:
    text = DURABLE + "  - {name: a, model: textgen}\noutput: {y: a.y}"
    assert answer(stage, text, value) == "failed"
    assert failed_steps(stage.world.log) == counted
