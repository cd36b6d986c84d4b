"""``pipeline.yaml``, read and planned: what is refused, and the order of the rest."""

import pytest

from serval.bundles.pipeline import read_pipeline
from serval.bundles.pipeline_verification import plan_of
from serval.errors import BundleRefused
from serval.pipelines.plan import PipelinePlan

HEAD = "name: p\ninputs: [{name: x, datatype: FP32, shape: [-1, 2]}]\n"


def plan(steps: str, output: str = "a", head: str = HEAD) -> PipelinePlan:
    return plan_of(read_pipeline(f"{head}steps:\n{steps}\noutput: {output}"))


def refused(steps: str, output: str = "a", head: str = HEAD) -> str:
    with pytest.raises(BundleRefused) as why:
        plan(steps, output, head)
    return str(why.value)


def test_steps_run_after_what_they_read_whatever_their_order_in_the_file() -> None:
    made = plan(
        "- {name: c, rule: a + b}\n- {name: b, rule: a * 2}\n- {name: a, rule: 'x[0][0]'}\n"
        "- {name: d, rule: '$count(x)'}"
    )
    assert made.waves == (("a", "d"), ("b",), ("c",))


def test_a_stand_in_runs_in_the_place_of_its_step_and_what_it_reads_before() -> None:
    made = plan(
        "- {name: a, model: m, on_error: {step: b}}\n- {name: b, model: n, input: {x: c.y}}\n"
        "- {name: c, model: m}"
    )
    assert made.waves == (("c",), ("a",))


def test_only_the_outputs_that_are_read_are_wanted() -> None:
    made = plan("- {name: a, model: m}\n- {name: b, model: m, input: {x: a.y}}", "b")
    assert made.wanted == {"a": {"y"}, "b": None}


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        (
            "- {name: a, rule: b}\n- {name: b, rule: c}\n- {name: c, rule: b}",
            "pipeline.yaml: steps.1: steps wait for each other: b → c → b",
        ),
        ("- {name: a, rule: a}", "pipeline.yaml: steps.0: steps wait for each other: a → a"),
        ("- {name: a, rule: b}", "steps.0.rule: 'b': the pipeline has no 'b'; it has x, a"),
        ("- {name: a, rule: x}\n- {name: a, rule: x}", "steps.1.name: 'a' is the name of a step"),
        ("- {name: x, rule: '1'}", "steps.0.name: 'x' is the name of an input already"),
        ("- {name: a-b, rule: x}", "steps.0.name: \"a-b\" given: expected 1 to 63 letters, digits"),
        ("- {name: in, rule: x}", 'steps.0.name: "in" given: expected 1 to 63 letters, digits'),
        ("- {name: a}", "pipeline.yaml: steps.0: one of 'model' and 'rule' expected"),
        ("- {name: a, rule: x, model: m}", "steps.0: one of 'model' and 'rule' expected"),
        ("- {name: a, rule: x, version: '3'}", "steps.0: 'version' is for steps with a 'model'"),
        ("- {name: a, model: m, version: 3}", "steps.0.version: 3 given"),
        ("- {name: a, model: m, on_error: {}}", "steps.0.on_error: one of 'step' and 'value'"),
        (
            "- {name: a, model: m, on_error: {step: a}}",
            "steps.0.on_error.step: 'a' is no other step of the pipeline",
        ),
        (
            "- {name: a, model: m, on_error: {step: b}}\n"
            "- {name: b, model: m, on_error: {step: a}}",
            "stand in for each other",
        ),
        (
            "- {name: a, model: m, on_error: {step: c}}\n"
            "- {name: b, model: m, on_error: {step: c}}\n- {name: c, model: n}",
            "steps.1.on_error.step: 'c' stands in for 'a' already",
        ),
        (
            "- {name: a, model: m, on_error: {step: b}}\n- {name: b, model: m, when: 'true'}",
            "'b' has a 'when', and runs if 'a' fails",
        ),
        (
            "- {name: a, rule: b.y}\n- {name: c, model: m, on_error: {step: b}}\n"
            "- {name: b, model: m}",
            "steps.0.rule: 'b.y': the pipeline has no 'b'",
        ),
        ("- {name: a, rule: '1 +'}", "steps.0.rule: '1 +' is not JSONata: Unexpected end"),
        ("- {name: a, mode: m}", "unknown key 'mode' in 'steps.0'; did you mean 'model'?"),
        ("- {name: a, map: x, rule: x}", "unknown key 'map' in 'steps.0'"),
        ("- {name: a, model: m, timeout_seconds: 26}", "steps.0.timeout_seconds: 26 given"),
        ("\n".join(f"- {{name: s{n}, rule: x}}" for n in range(51)), "at most 50 items"),
    ],
)  # fmt: skip
def test_a_definition_that_cannot_be_is_refused_with_its_place(steps: str, said: str) -> None:
    assert said in refused(steps)


def test_every_mistake_is_named_at_once() -> None:
    said = refused("- {name: a, rule: b}\n- {name: c, rule: '1 +'}", "d")
    assert all(place in said for place in ("steps.0.rule", "steps.1.rule", "yaml: output: 'd'"))


def test_inputs_of_one_name_are_refused() -> None:
    twice = HEAD.replace("inputs: [", "inputs: [{name: x, datatype: INT64, shape: [1]}, ")
    assert "inputs.1.name: 'x' is repeated" in refused("- {name: a, rule: x}", head=twice)


def test_fifty_steps_are_planned() -> None:
    lines = ["- {name: s0, rule: 'x[0][0]'}"]
    lines += [f"- {{name: s{n}, rule: s{n - 1} + 1}}" for n in range(1, 50)]
    assert len(plan("\n".join(lines), "s49").waves) == 50
