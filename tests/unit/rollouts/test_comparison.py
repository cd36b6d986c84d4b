"""Two versions beside each other: what callers would notice, and what it costs."""

import json
from dataclasses import replace
from typing import Any

import pytest

from serval.models.signature import Signature, TensorSpec
from serval.models.version import BundleFile, Form
from serval.rollouts.comparison import compare_versions, signature_changes
from tests.fakes.inference import plus, signature, version_record

OLD = Signature(
    (TensorSpec("x", "FP32", (-1, 4)),),
    (TensorSpec("label", "INT64", (-1,)), TensorSpec("scores", "FP32", (-1, 3))),
)
ONE = version_record("iris", "1", plus(1), signature("FP32", (-1, 2)))
TWO = replace(
    version_record("iris", "2", plus(2) + b"more", signature("FP32", (-1, 2))),
    bundle={"compute": {"memory_mib": 512}, "rollout": {"steps_percent": [10]}},
    measurements={"p50_ms": 3.0, "largest_difference": 0.0, "form": "portable"},
)


def found(**change: Any) -> list[str]:
    return signature_changes(OLD, replace(OLD, **change))


def test_a_signature_does_not_differ_from_itself() -> None:
    assert signature_changes(OLD, OLD) == []
    assert found(outputs=OLD.outputs[::-1]) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"inputs": (TensorSpec("x", "FP32", (-1, 5)),)},
            ["input 'x': shape [-1, 4] became [-1, 5]"],
        ),
        (
            {"inputs": (TensorSpec("x", "FP64", (4,)),)},
            [
                "input 'x': datatype FP32 became FP64",
                "input 'x': shape [-1, 4] became [4]",
            ],
        ),
        (
            {"inputs": (TensorSpec("z", "FP32", (-1, 4)),)},
            ["input 'x' is gone (FP32 [-1, 4])", "input 'z' is new (FP32 [-1, 4])"],
        ),
        ({"outputs": OLD.outputs[:1]}, ["output 'scores' is gone (FP32 [-1, 3])"]),
        (
            {"outputs": (*OLD.outputs, TensorSpec("why", "BYTES", (-1,)))},
            ["output 'why' is new (BYTES [-1])"],
        ),
    ],
)
def test_every_change_of_a_signature_is_said(change: dict[str, Any], words: list[str]) -> None:
    assert found(**change) == words


def test_measurements_stand_beside_each_other() -> None:
    one = replace(ONE, measurements={"p50_ms": 2.0, "largest_difference": 0.0})
    golden = {change.name: change for change in compare_versions(one, TWO).golden}
    assert (golden["p50_ms"].old, golden["p50_ms"].new, golden["p50_ms"].ratio) == (2.0, 3.0, 1.5)
    assert golden["largest_difference"].ratio is None
    assert (golden["form"].old, golden["form"].new, golden["form"].ratio) == (
        None,
        "portable",
        None,
    )


def test_what_differs_in_model_yaml_is_named_by_its_key() -> None:
    one = replace(ONE, bundle={"compute": {"memory_mib": None}, "rollout": {"steps_percent": [10]}})
    two = replace(TWO, bundle={**TWO.bundle, "description": "better"})
    compared = compare_versions(one, two)
    assert [(c.name, c.old, c.new) for c in compared.compute] == [("compute.memory_mib", None, 512)]
    assert [(c.name, c.old, c.new) for c in compared.settings] == [("description", None, "better")]


def test_sizes_count_artifact_bundle_and_forms() -> None:
    form = Form("portable", None, "f/model.onnx", (BundleFile("f/model.onnx", "0" * 64, 7),))
    readme = BundleFile("README.md", "1" * 64, 100)
    two = replace(TWO, forms=(form,), files=(*TWO.files, readme))
    compared = compare_versions(ONE, two)
    sizes = {change.name: (change.old, change.new) for change in compared.sizes}
    artifact = len(plus(1))
    assert sizes == {
        "artifact_bytes": (artifact, artifact + 4),
        "bundle_bytes": (artifact, artifact + 104),
        "form portable bytes": (None, 7),
    }
    assert compared.files == ("README.md is new", "model.onnx changed")


def test_a_version_is_the_same_as_itself() -> None:
    compared = compare_versions(TWO, TWO)
    assert compared.same_bytes
    assert (compared.signature, compared.compute, compared.settings, compared.files) == ((),) * 4


def test_a_comparison_is_plain_json() -> None:
    value = compare_versions(ONE, TWO).to_json()
    assert json.loads(json.dumps(value)) == value
    assert value["golden"][3] == {"name": "p50_ms", "old": None, "new": 3.0, "ratio": None}
