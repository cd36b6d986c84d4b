"""Records of versions: what the registry holds reads back, and picks a form."""

import json
from dataclasses import replace

import pytest

from serval.models.version import BundleFile, Form, ModelVersion
from tests.fakes.inference import signature, version_record

PORTABLE = Form(
    "portable",
    None,
    "optimised/portable/model.onnx",
    (
        BundleFile("optimised/portable/model.onnx", "a" * 64, 10),
        BundleFile("optimised/portable/model.onnx.data", "b" * 64, 100),
    ),
)
WIDE = Form(
    "x86_64-avx512",
    "x86_64-avx512",
    "optimised/x86_64-avx512/model.onnx",
    (BundleFile("optimised/x86_64-avx512/model.onnx", "c" * 64, 7),),
)


@pytest.fixture
def record() -> ModelVersion:
    made = version_record("m", "1", b"graph", signature("FP32", [-1, 2]))
    return replace(made, forms=(PORTABLE, WIDE), measurements={"p50_ms": 1.5})


def test_a_record_with_forms_reads_back(record: ModelVersion) -> None:
    assert ModelVersion.from_json(record.to_json()) == record


def test_a_record_from_before_there_were_forms_reads(record: ModelVersion) -> None:
    old = json.loads(record.to_json())
    del old["forms"], old["measurements"]
    read = ModelVersion.from_json(json.dumps(old))
    assert (read.forms, read.measurements) == ((), {})
    assert read.form_for("x86_64-avx512") is None


def test_a_form_is_handed_on_as_plain_json() -> None:
    assert json.loads(json.dumps(WIDE.to_json())) == {
        "name": "x86_64-avx512",
        "cpu_class": "x86_64-avx512",
        "artifact": "optimised/x86_64-avx512/model.onnx",
        "files": [
            {"path": "optimised/x86_64-avx512/model.onnx", "sha256": "c" * 64, "size_bytes": 7}
        ],
    }


def test_the_form_of_the_class_is_chosen_else_the_portable_one(record: ModelVersion) -> None:
    assert record.form_for("x86_64-avx512") is WIDE
    assert record.form_for("x86_64-avx2") is PORTABLE
    assert record.form_for("") is PORTABLE


def test_a_form_of_another_class_is_never_chosen(record: ModelVersion) -> None:
    assert replace(record, forms=(WIDE,)).form_for("x86_64-avx2") is None


def test_files_of_forms_are_files_of_the_version(record: ModelVersion) -> None:
    assert record.file("optimised/portable/model.onnx.data").size_bytes == 100
    assert record.file("model.onnx").size_bytes == 5
    assert record.artifact_bytes == 5
    assert PORTABLE.size_bytes == 110


def test_a_task_knows_the_columns_that_model_yaml_names(record: ModelVersion) -> None:
    task = {"name": "tabular-regression", "imputed": ["city"], "labels": None}
    made = replace(record, bundle={"task": task, "columns": {"x": ["a", "b"]}})
    assert made.task_options == {"imputed": ["city"], "columns": {"x": ["a", "b"]}}
    assert replace(record, bundle={"task": {"name": "fill-mask"}, "columns": {}}).task_options == {}
