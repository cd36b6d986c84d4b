"""The model of ``model.yaml`` and its published schema."""

import json
from pathlib import Path

import jsonschema_rs
import pytest
import yaml

from serval.bundles.bundle import Bundle, json_schema

DOCS = Path(__file__).parents[3] / "docs"

EVERYTHING = """
name: sentiment
description: Polarity of a short review
artifact: model.onnx
compute: {target: lambda, memory_mib: 1769}
batching: {max_batch_size: 32, max_wait_ms: 20}
rollout:
  steps_percent: [10, 50]
  bake_seconds: 300
  max_error_percent: 1.0
  max_latency_ratio: 1.25
  when_idle: promote
  allow_signature_change: true
  alarms: [shop-orders-failing]
golden: golden.jsonl
golden_tolerance: 1.0e-4
schedules:
  - {name: nightly, cron: "0 3 * * ? *", input: s3://bucket/in/, output: s3://bucket/out/}
"""


def test_a_name_is_enough():
    bundle = Bundle(name="iris")

    assert bundle.artifact == "model.onnx"
    assert bundle.compute.target == "lambda"
    assert bundle.rollout.steps_percent == (10, 50)
    assert bundle.to_json()["batching"] == {
        "max_batch_size": 32,
        "max_wait_ms": 20,
        "weight": 1,
    }


def test_the_json_form_reads_back_the_same():
    bundle = Bundle.model_validate_json(json.dumps(yaml.safe_load(EVERYTHING)))

    assert Bundle.model_validate_json(json.dumps(bundle.to_json())) == bundle


def test_the_published_schema_is_current():
    published = (DOCS / "model.schema.json").read_text()

    assert published == json.dumps(json_schema(), indent=2) + "\n", (
        "run `python -m serval.bundles.bundle > docs/model.schema.json`"
    )


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        (EVERYTHING, True),
        ("name: iris", True),
        ("name: Iris", False),
        ("name: stats", False),
        ("name: stats2", True),
        ("name: iris\nartefact: x", False),
        ("name: iris\ncompute: {memory_mib: 64}", False),
        ("description: nameless", False),
    ],
)
def test_the_schema_agrees_with_the_model(text: str, valid: bool):
    value = yaml.safe_load(text)

    assert jsonschema_rs.is_valid(json_schema(), value) is valid
    if valid:
        Bundle.model_validate_json(json.dumps(value))
    else:
        with pytest.raises(ValueError, match="validation error"):
            Bundle.model_validate_json(json.dumps(value))


def test_every_key_is_described_in_the_schema():
    schema = json_schema()
    for section in [schema, *schema["$defs"].values()]:
        for key, described in section["properties"].items():
            assert "description" in described or "$ref" in described, key
