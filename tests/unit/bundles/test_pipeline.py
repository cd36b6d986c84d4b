"""``pipeline.yaml`` as people write it, and as the record of a version has it."""

import json
from pathlib import Path

import pytest

from serval.bundles.pipeline import define, json_schema, read_pipeline
from serval.errors import BundleRefused
from serval.pipelines.steps import StepDefinition

DOCS = Path(__file__).parents[3] / "docs"
TEXT = """
name: p
inputs: [{name: x, datatype: FP32, shape: [-1, 2]}]
steps:
  - {name: a, model: m, version: '3', input: {x: x}, on_error: {value: null}, timeout_seconds: 2}
  - {name: b, rule: a + 1, when: a > 0}
  - {name: c, model: n, on_error: {step: d}}
  - {name: d, model: n}
output: b
"""


def test_the_definition_is_read_back_as_it_was_written() -> None:
    pipeline = read_pipeline(TEXT)
    assert define(pipeline).steps == (
        StepDefinition(
            "a", "steps.0", "m", "3", {"x": "x"}, has_value=True, value=None, timeout_seconds=2.0
        ),
        StepDefinition("b", "steps.1", rule="a + 1", when="a > 0"),
        StepDefinition("c", "steps.2", "n", fallback="d"),
        StepDefinition("d", "steps.3", "n"),
    )
    assert json.loads(json.dumps(pipeline.to_json())) == pipeline.to_json()


@pytest.mark.parametrize(
    ("version", "asked"), [("'3'", "3"), ("3", "3"), ("stable", None), ("null", None)]
)
def test_a_step_pins_a_version_or_follows_the_stable_one(version: str, asked: str | None) -> None:
    [step, *_] = read_pipeline(TEXT.replace("'3'", version)).steps
    assert step.version == asked


@pytest.mark.parametrize("version", ["latest", "0", "true", "1.5", "[3]"])
def test_a_version_that_is_neither_is_refused_by_name(version: str) -> None:
    with pytest.raises(BundleRefused) as refused:
        read_pipeline(TEXT.replace("'3'", version))
    [reason] = refused.value.reasons
    assert reason.startswith("pipeline.yaml: steps.0.version: ")


@pytest.mark.parametrize("output", ["7", "''", "{}", "{y: 7}", "[b]", "null"])
def test_an_output_that_is_no_expression_is_one_mistake(output: str) -> None:
    with pytest.raises(BundleRefused) as refused:
        read_pipeline(TEXT.replace("output: b", f"output: {output}"))
    [reason] = refused.value.reasons
    assert reason.startswith("pipeline.yaml: output: ")
    assert reason.endswith("an expression expected, or names of tensors with one each")


def test_steps_with_a_mistake_are_not_called_too_few() -> None:
    text = (
        "name: p\ninputs: [{name: x, datatype: FP32, shape: [1]}]\nsteps:\n  - {nam: a}\noutput: a"
    )
    with pytest.raises(BundleRefused) as refused:
        read_pipeline(text)
    assert refused.value.reasons == (
        "pipeline.yaml: steps.0.name is missing",
        "pipeline.yaml: unknown key 'nam' in 'steps.0'; did you mean 'name'?",
    )
    with pytest.raises(BundleRefused, match=r"steps: \[\] given: at least 1 item expected"):
        read_pipeline(text.replace("\n  - {nam: a}", " []"))


def test_the_published_schema_is_current() -> None:
    published = (DOCS / "pipeline.schema.json").read_text()
    assert published == json.dumps(json_schema(), indent=2) + "\n", (
        "run `python -m serval.bundles.pipeline > docs/pipeline.schema.json`"
    )


def test_a_step_has_a_cache_and_a_pipeline_has_none() -> None:
    assert "cache" not in json_schema()["properties"]
    assert "cache" in json_schema()["$defs"]["PipelineStep"]["properties"]
