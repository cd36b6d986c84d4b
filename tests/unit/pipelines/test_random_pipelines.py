"""Random pipelines answer as a straight interpreter of their definition, failures included."""

import json
from collections.abc import Iterator
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
from serval.pipelines.model import PipelineModel
from tests.fakes.inference import TWO_COLUMNS, Bench, plus
from tests.fakes.pipelines import pipeline_bench, publish_pipeline
from tests.stateful.extent import TIMES

ADDENDS = {"one": 1.0, "ten": 10.0, "less": -7.0}
BROKEN = "broken"
"""A model that every step finds registered, and none finds there."""
X = np.array([[1, 2], [3, -4]], np.float32)
SKIPPED = object()
Step = dict[str, Any]


class Failed(Exception):
    """A step failed, and nothing stands in for it."""


@pytest.fixture(scope="module")
def ready() -> Iterator[Bench]:
    with TemporaryDirectory() as folder:
        made = pipeline_bench(Path(folder))
        for name, addend in {**ADDENDS, BROKEN: 0.0}.items():
            made.edge.publish(name, "1", plus(addend), TWO_COLUMNS)
        yield made


@st.composite
def pipelines(draw: st.DrawFn) -> tuple[list[Step], str]:
    """Draw steps, in any order in the file, and the name of the one that is the output.

    What fails mostly has something that stands in for it, so that most pipelines answer.
    """
    tensors, values, steps = ["x"], list[str](), list[Step]()
    for index in range(draw(st.integers(1, 8))):
        name = f"s{index}"
        step: Step = {"name": name}
        if values and draw(st.integers(0, 2)) == 0:
            sign = draw(st.sampled_from("<>"))
            step["when"] = f"{draw(st.sampled_from(values))} {sign} 3"
        if draw(st.booleans()):
            step |= draw_call(draw, tensors, fails=draw(st.integers(0, 3)) == 0)
            if draw(st.booleans()) or (step["model"] == BROKEN and draw(rarely())):
                fails = draw(st.integers(0, 7)) == 0
                steps.append({"name": f"{name}f"} | draw_call(draw, tensors, fails=fails))
                step["on_error"] = {"step": f"{name}f"}
            tensors.append(name)
        else:
            step["rule"] = draw_rule(draw, tensors, values)
            if draw(st.booleans()) or ("$error" in step["rule"] and draw(rarely())):
                step["on_error"] = {"value": draw(st.integers(-5, 5))}
            values.append(name)
        steps.append(step)
    output = draw(st.sampled_from([*tensors[1:], *values]))
    return draw(st.permutations(steps)), output


def rarely() -> st.SearchStrategy[bool]:
    """Draw false one time in eight."""
    return st.integers(0, 7).map(bool)


def draw_call(draw: st.DrawFn, tensors: list[str], *, fails: bool) -> Step:
    model = BROKEN if fails else draw(st.sampled_from([*ADDENDS]))
    return {"model": model, "input": {"x": tensor(draw(st.sampled_from(tensors)))}}


def draw_rule(draw: st.DrawFn, tensors: list[str], values: list[str]) -> str:
    if draw(st.integers(0, 5)) == 0:
        return '$error("no")'
    source = tensor(draw(st.sampled_from(tensors)))
    rules = [f"$sum({source}[0])", f"{source}[1][0] * 2"]
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
            return self.call(step) if "model" in step else self.rule(step["rule"])
        except Failed:
            if "value" in on_error:
                return on_error["value"]
            if "step" in on_error:
                return self.value(on_error["step"])
            raise

    def is_true(self, condition: str) -> bool:
        name, sign, _ = condition.split()
        return bool(self.number(name) < 3 if sign == "<" else self.number(name) > 3)

    def call(self, step: Step) -> Any:
        given = self.value(step["input"]["x"].partition(".")[0])
        if step["model"] == BROKEN or given is SKIPPED:
            raise Failed
        return given + np.float32(ADDENDS[step["model"]])

    def rule(self, text: str) -> Any:
        if text.startswith("$error"):
            raise Failed
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


@settings(max_examples=60 * TIMES)
@given(pipelines())
def test_the_engine_answers_as_the_definition_says(
    ready: Bench, drawn: tuple[list[Step], str]
) -> None:
    steps, output = drawn
    try:
        expected = Interpreter(steps).answer(output)
        if expected is SKIPPED and "rule" not in next(s for s in steps if s["name"] == output):
            raise Failed
    except Failed:
        with pytest.raises(Failed, match=r"model 'p' version '1' failed: (step|output)"):
            engine_answer(ready, steps, output)
        return
    found = engine_answer(ready, steps, output)
    if expected is SKIPPED:
        assert found is None
    else:
        assert np.array_equal(found, expected)
