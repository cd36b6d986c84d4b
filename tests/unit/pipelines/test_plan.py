"""``pipeline.yaml``, read and planned: what is refused, and the order of the rest."""

import pytest

from serval.bundles.pipeline import read_pipeline
from serval.bundles.pipeline_verification import plan_of
from serval.errors import BundleRefused
from serval.pipelines.plan import PipelinePlan

KINDS = "one of 'model', 'rule', 'any_of', 'all_of', 'split' and 'cascade' expected"
WEIGHED = "[{model: m, weight: 1}, {model: n, weight: 3}]"
TWO = "[{model: m}, {model: n}]"
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


def test_steps_ask_only_for_outputs_that_are_read() -> None:
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
        ("- {name: a}", f"pipeline.yaml: steps.0: {KINDS}"),
        ("- {name: a, rule: x, model: m}", f"steps.0: {KINDS}"),
        ("- {name: a, rule: x, version: '3'}", "steps.0: 'version' is for steps with 'model'"),
        ("- {name: a, model: m, version: 3.5}", "steps.0.version: 3.5 given"),
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
        ("- {name: a, retries: 5, rule: x}", "unknown key 'retries' in 'steps.0'"),
        ("- {name: a, rule: x, input: {x: x}}", "'input' is for steps with 'model' or 'any_of'"),
        ("- {name: a, rule: x, limit: 3}", "'limit' is for steps with 'map'"),
        ("- {name: a, rule: x, until: x}", "'until' is for steps with 'cascade'"),
        ("- {name: a, model: m, combine: vote}", "'combine' is for steps with 'any_of' or"),
        (f"- {{name: a, all_of: {TWO}}}", "'all_of' needs 'combine': vote, mean, max or an"),
        (f"- {{name: a, cascade: {TWO}}}", "'cascade' needs 'until': an expression over $answer"),
        ("- {name: a, any_of: [{model: m}]}", "given: at least 2 items expected"),
        (f"- {{name: a, split: {TWO}}}", "steps.0.split.0.weight is missing"),
        (
            "- {name: a, split: [{model: m, weight: 0}, {model: n, weight: 1}]}",
            "steps.0.split.0.weight: 0 given",
        ),
        (
            f"- {{name: a, all_of: {TWO}, combine: '$answers['}}",
            "steps.0.combine: '$answers[' is not JSONata",
        ),
        (
            f"- {{name: a, all_of: {TWO}, combine: '1); ($error(1)'}}",
            "steps.0.combine: '1); ($error(1)' is not JSONata",
        ),
        (
            f"- {{name: a, all_of: {TWO}, combine: $answer}}",
            "steps.0.combine: '$answer': there is no variable $answer here",
        ),
        (
            f"- {{name: a, cascade: {TWO}, until: $answers}}",
            "steps.0.cascade.1.until: '$answers': there is no variable $answers here",
        ),
        ("- {name: a, map: 'x + ', rule: item}", "steps.0.map: 'x + ' is not JSONata"),
        ("- {name: a, map: x, rule: x}", "steps.0.map: nothing reads 'item', an item of it"),
        ("- {name: a, map: item, rule: item}", "steps.0.map: 'item': the pipeline has no 'item'"),
        ("- {name: a, map: x, when: item, rule: item}", "steps.0.when: 'item': the pipeline"),
        (
            "- {name: a, map: x, item: b, rule: b}\n- {name: b, rule: x}",
            "steps.0.item: 'b' is the name of a step already",
        ),
        (
            "- {name: a, map: x, rule: item}\n- {name: b, rule: item}",
            "steps.1.rule: 'item': the pipeline has no 'item'",
        ),
        (
            f"- {{name: a, any_of: {TWO}}}\n- {{name: a__1, rule: x}}",
            "steps.1.name: 'a__1' is the name of a step already",
        ),
        (
            f"- {{name: a, any_of: {TWO}}}\n- {{name: b, rule: a__1}}",
            "steps.1.rule: 'a__1': the pipeline has no 'a__1'; it has x, a, b",
        ),
        (
            f"- {{name: a, any_of: {TWO}, input: {{x: b}}}}\n- {{name: b, rule: a}}",
            "steps wait for each other: a → b → a",
        ),
        (
            "\n".join(f"- {{name: s{n}, any_of: {TWO}}}" for n in range(17)),
            "steps: 51 with their parts, at most 50 allowed",
        ),
        ("- {name: a, model: m, timeout_seconds: 604801}", "steps.0.timeout_seconds: 604801 given"),
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


def test_a_step_runs_after_what_its_parts_read() -> None:
    made = plan(
        f"- {{name: a, cascade: {TWO}, until: '$answer.y > b'}}\n- {{name: b, rule: 'x[0][0]'}}\n"
        f"- {{name: c, map: b, any_of: {TWO}, input: {{x: '[item]'}}}}"
    )
    assert made.waves == (("b",), ("a", "c"))
    assert made.steps["a"].reads == {"x", "b"}
    assert made.steps["c"].reads == {"b"}


def test_steps_of_several_models_ask_only_for_outputs_that_are_read() -> None:
    made = plan(f"- {{name: a, split: {WEIGHED}}}\n- {{name: b, rule: a.y}}", "b")
    assert (made.wanted["a__1"], made.wanted["a__2"]) == ({"y"}, {"y"})
    made = plan(f"- {{name: a, all_of: {TWO}, combine: '$answers[0].answer.y'}}")
    assert made.wanted["a__1"] is None


def test_fifty_steps_are_planned() -> None:
    lines = ["- {name: s0, rule: 'x[0][0]'}"]
    lines += [f"- {{name: s{n}, rule: s{n - 1} + 1}}" for n in range(1, 50)]
    assert len(plan("\n".join(lines), "s49").waves) == 50
