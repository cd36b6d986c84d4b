"""Random pipelines answer as a straight interpreter of their definition, failures included."""

import json
from collections.abc import Callable, Iterator
from itertools import accumulate
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from serval.errors import InferenceFailed
from serval.models.tensor import Tensor
from serval.pipelines.ensembles import draw_number
from serval.pipelines.model import PipelineModel
from tests.fakes.inference import TWO_COLUMNS, Bench, plus
from tests.fakes.pipelines import pipeline_bench, publish_pipeline
from tests.stateful.extent import TIMES

ADDENDS = {"one": 1.0, "ten": 10.0, "less": -7.0}
NESTED = {"both": 11.0}
"""A pipeline, which adds what two of its steps do."""
BOTH = """
name: both
inputs: [{name: x, datatype: FP32, shape: [-1, 2]}]
steps:
  - {name: first, model: one}
  - {name: second, model: ten, input: {x: first.y}}
output: {y: second.y}
"""
BROKEN = "broken"
"""A model that every step finds registered, and none finds there."""
X = np.array([[1, 2], [3, -4]], np.float32)
SKIPPED = object()
COMBINED = ("$sum($answers.answer.y[0][0])", "$count($answers)")
Step = dict[str, Any]


class Failed(Exception):
    """A step failed, and nothing stands in for it."""


@pytest.fixture(scope="module")
def ask() -> Iterator[Callable[[list[Step], str], Any]]:
    with TemporaryDirectory() as folder:
        made = pipeline_bench(Path(folder))
        for name, addend in {**ADDENDS, BROKEN: 0.0}.items():
            made.edge.publish(name, "1", plus(addend), TWO_COLUMNS)
        publish_pipeline(made.edge, BOTH)
        yield lambda steps, output: engine_answer(made, steps, output)


@st.composite
def pipelines(draw: st.DrawFn) -> tuple[list[Step], str]:
    """Draw steps, in any order in the file, and the name of the one that is the output.

    What fails mostly has something that stands in for it, so that most pipelines answer.
    """
    tensors, values, lists, steps = ["x"], list[str](), list[str](), list[Step]()
    for index in range(draw(st.integers(1, 8))):
        name = f"s{index}"
        step: Step = {"name": name}
        if values and draw(st.integers(0, 2)) == 0:
            sign = draw(st.sampled_from("<>"))
            step["when"] = f"{draw(st.sampled_from(values))} {sign} 3"
        kind = draw(st.integers(0, 7))
        if kind < 4:
            step |= draw_call(draw, tensors, fails=draw(st.integers(0, 3)) == 0)
            if draw(st.booleans()) or (step.get("model") == BROKEN and draw(rarely())):
                fails = draw(st.integers(0, 7)) == 0
                steps.append({"name": f"{name}f"} | draw_call(draw, tensors, fails=fails))
                step["on_error"] = {"step": f"{name}f"}
            tensors.append(name)
        elif kind == 4:
            step |= draw_map(draw, tensors, values)
            lists.append(name)
        elif kind == 5:
            step |= draw_models(draw, draw(st.sampled_from(["all_of", "any_of"])), tensors)
            step["combine"] = draw(st.sampled_from(COMBINED))
            values.append(name)
        else:
            step["rule"] = draw_rule(draw, tensors, values, lists)
            values.append(name)
        if kind > 3 and (draw(st.booleans()) or ("$error" in str(step) and draw(rarely()))):
            step["on_error"] = {"value": [-1] if kind == 4 else draw(st.integers(-5, 5))}
        steps.append(step)
    output = draw(st.sampled_from([*tensors[1:], *values, *lists]))
    return draw(st.permutations(steps)), output


def rarely() -> st.SearchStrategy[bool]:
    """Draw false one time in eight."""
    return st.integers(0, 7).map(bool)


def draw_call(draw: st.DrawFn, tensors: list[str], *, fails: bool) -> Step:
    """Draw a step that gives a tensor: of one model, or of several."""
    kind = draw(st.sampled_from(["model", "model", "any_of", "split", "cascade"]))
    if kind == "model":
        model = BROKEN if fails else draw(st.sampled_from([*ADDENDS, *NESTED]))
        return {"model": model, "input": {"x": tensor(draw(st.sampled_from(tensors)))}}
    step = draw_models(draw, kind, tensors)
    if kind == "split":
        for each in step["split"]:
            each["weight"] = draw(st.integers(1, 4))
    if kind == "cascade":
        step["until"] = f"$answer.y[0][0] > {draw(st.integers(-9, 15))}"
    return step


def draw_models(draw: st.DrawFn, kind: str, tensors: list[str]) -> Step:
    named = st.sampled_from([*ADDENDS, *ADDENDS, *NESTED, BROKEN])
    models = draw(st.lists(named, min_size=2, max_size=3))
    source = tensor(draw(st.sampled_from(tensors)))
    return {kind: [{"model": model} for model in models], "input": {"x": source}}


def draw_map(draw: st.DrawFn, tensors: list[str], values: list[str]) -> Step:
    """Draw a step over the numbers of a row, or over those of them above 3."""
    row = f"{tensor(draw(st.sampled_from(tensors)))}[0]"
    step: Step = {"map": draw(st.sampled_from([row, f"{row}[$ > 3]"]))}
    if draw(st.booleans()):
        step |= {"item": "number"} if draw(st.booleans()) else {"limit": 2}
        item = step.get("item", "item")
        rules = [f"{item} * 2", f'{item} > 9 ? $error("no") : {item}']
        rules += [f"{item} + {name}" for name in values]
        return step | {"rule": draw(st.sampled_from(rules))}
    step |= draw_call(draw, ["x"], fails=draw(st.integers(0, 5)) == 0)
    return step | {"input": {"x": "[[item, 1]]"}}


def draw_rule(draw: st.DrawFn, tensors: list[str], values: list[str], lists: list[str]) -> str:
    if draw(st.integers(0, 5)) == 0:
        return '$error("no")'
    source = tensor(draw(st.sampled_from(tensors)))
    rules = [f"$sum({source}[0])", f"{source}[1][0] * 2", *(f"$count({name})" for name in lists)]
    if values:
        one, other = draw(st.sampled_from(values)), draw(st.sampled_from(values))
        rules += [
            f"{one} + {other}",
            f"{one} > {other} ? {one} : {other} - 1",
            *3 * [f"$exists({one}) ? {one} * 3 : -1"],
        ]
    return draw(st.sampled_from(rules))


def tensor(name: str) -> str:
    return name if name == "x" else f"{name}.y"


class Interpreter:
    """Reads the definition step by step, as a person would."""

    def __init__(self, steps: list[Step]) -> None:
        self.steps = {step["name"]: step for step in steps}
        self.found: dict[str, Any] = {}

    def answer(self, output: str) -> Any:
        stand_ins = {step.get("on_error", {}).get("step") for step in self.steps.values()}
        for name in self.steps.keys() - stand_ins:
            self.value(name)
        return self.value(output)

    def value(self, name: str) -> Any:
        if name == "x":
            return X
        if name not in self.found:
            self.found[name] = self.run(self.steps[name])
        return self.found[name]

    def run(self, step: Step) -> Any:
        on_error = step.get("on_error", {})
        try:
            if "when" in step and not self.is_true(step["when"]):
                return SKIPPED
            if "map" in step:
                return [self.once(step, item) for item in self.items(step["map"])]
            return self.once(step)
        except Failed:
            if "value" in on_error:
                return on_error["value"]
            if "step" in on_error:
                return self.value(on_error["step"])
            raise

    def is_true(self, condition: str) -> bool:
        name, sign, _ = condition.split()
        return bool(self.number(name) < 3 if sign == "<" else self.number(name) > 3)

    def items(self, text: str) -> list[float]:
        rows = self.value(text.partition("[")[0].partition(".")[0])
        row = [] if rows is SKIPPED else rows[0].tolist()
        return [each for each in row if each > 3] if "$" in text else row

    def once(self, step: Step, item: float | None = None) -> Any:
        if "rule" in step:
            return self.rule(step["rule"]) if item is None else self.of_item(step, item)
        if item is None:
            given = self.value(step["input"]["x"].partition(".")[0])
        else:
            given = np.array([[item, 1]], np.float32)
        found = self.ask(step, given)
        return found if item is None else {"y": found.tolist()}

    def of_item(self, step: Step, item: float) -> Any:
        if "error" in step["rule"]:
            return self.present(SKIPPED if item > 9 else item)
        if step["rule"].endswith("* 2"):
            return item * 2
        return item + self.number(step["rule"].split()[2])

    def ask(self, step: Step, given: Any) -> Any:
        """Ask the model, or the models, of a step."""
        if "model" in step:
            return self.call(step["model"], given)
        kind = next(key for key in ("any_of", "all_of", "split", "cascade") if key in step)
        models = [each["model"] for each in step[kind]]
        if kind == "split":
            return self.call(self.drawn(step, models), given)
        if kind == "cascade":
            return self.cascade(models, float(step["until"].split()[-1]), given)
        return self.combined(step, self.answers(models, given, all_of=kind == "all_of"))

    def drawn(self, step: Step, models: list[str]) -> str:
        weights = [each["weight"] for each in step["split"]]
        number = draw_number("p", step["name"], sum(weights), [Tensor("x", "FP32", X)])
        ends = zip(models, accumulate(weights), strict=True)
        return next(model for model, end in ends if number < end)

    def cascade(self, models: list[str], enough: float, given: Any) -> Any:
        for model in models:
            found = self.call(model, given)
            if found[0][0] > enough:
                break
        return found

    def answers(self, models: list[str], given: Any, *, all_of: bool) -> list[Any]:
        found = []
        for model in models:
            try:
                found.append(self.call(model, given))
            except Failed:
                if all_of:
                    raise
        return found

    def combined(self, step: Step, answers: list[Any]) -> Any:
        if not answers:
            raise Failed
        if "combine" not in step:
            return answers[0]
        if step["combine"] == COMBINED[0]:
            return float(sum(each[0][0] for each in answers))
        return len(answers)

    def call(self, model: str, given: Any) -> Any:
        if model == BROKEN or given is SKIPPED:
            raise Failed
        return given + np.float32((ADDENDS | NESTED)[model])

    def rule(self, text: str) -> Any:
        if text.startswith("$error"):
            raise Failed
        if text.startswith("$count"):
            value = self.value(text[7:-1])
            return 0 if value is SKIPPED else len(value)
        if text.startswith("$sum"):
            return float(self.rows(text[5:-4])[0].sum())
        if text.endswith("* 2"):
            return float(self.rows(text.partition("[")[0])[1][0]) * 2
        if text.startswith("$exists"):
            value = self.value(text[8:].partition(")")[0])
            return -1 if value is SKIPPED else value * 3
        if "?" in text:
            words = text.split()
            # JSONata takes a comparison with nothing for untrue.
            one, other = self.value(words[0]), self.number(words[2])
            return one if one is not SKIPPED and one > other else other - 1
        one, _, other = text.split()
        return self.number(one) + self.number(other)

    def rows(self, name: str) -> Any:
        return self.present(self.value(name.partition(".")[0]))

    def number(self, name: str) -> Any:
        return self.present(self.value(name))

    def present(self, value: Any) -> Any:
        if value is SKIPPED:
            raise Failed
        return value


def engine_answer(ready: Bench, steps: list[Step], output: str) -> Any:
    inputs = [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}]
    text = yaml.safe_dump({"name": "p", "inputs": inputs, "steps": steps, "output": output})
    ready.edge.routes.setdefault(BROKEN, ready.edge.routes["one"])
    record = publish_pipeline(ready.edge, text)
    del ready.edge.routes[BROKEN]
    ready.clock.seconds += 6
    loaded = ready.endpoint.inference.loaded
    loaded.let_go("p", "1")
    model = loaded.get("p", "1").model
    assert isinstance(model, PipelineModel)
    try:
        found = model.run([Tensor("x", "FP32", X)], record.signature.outputs)
    except InferenceFailed as error:
        raise Failed(str(error)) from error
    return json.loads(found[0].array[0]) if model.record.answers_in_json else found[0].array


def expect_same_answer(
    ask: Callable[[list[Step], str], Any], steps: list[Step], output: str
) -> None:
    """Compare what an engine answers, or that it fails, with the interpreter of the definition."""
    try:
        expected = Interpreter(steps).answer(output)
        step = next(each for each in steps if each["name"] == output)
        if expected is SKIPPED and not {"rule", "map", "combine"} & step.keys():
            raise Failed
    except Failed:
        with pytest.raises(Failed, match=r"model 'p' version '1' failed: (step|output)"):
            ask(steps, output)
        return
    found = ask(steps, output)
    if expected is SKIPPED:
        assert found is None
    else:
        assert np.array_equal(found, expected)


@settings(max_examples=60 * TIMES)
@given(pipelines())
def test_the_engine_answers_as_the_definition_says(
    ask: Callable[[list[Step], str], Any], drawn: tuple[list[Step], str]
) -> None:
    expect_same_answer(ask, *drawn)
