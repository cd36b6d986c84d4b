"""Manifests: what an upload says it holds."""

import json
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serval.bundles.manifest import LIMIT_BUNDLE_BYTES, Manifest, read_manifest
from serval.errors import BundleRefused
from serval.models.version import BundleFile

A, B = "a" * 64, "b" * 64
IRIS = Manifest("iris", (BundleFile("model.onnx", A, 10), BundleFile("x/model.yaml", B, 0)))


def entry(path: Any = "model.onnx", sha256: Any = A, size_bytes: Any = 10) -> dict[str, Any]:
    return {"path": path, "sha256": sha256, "size_bytes": size_bytes}


def reasons(value: Any, model: str = "iris") -> tuple[str, ...]:
    with pytest.raises(BundleRefused) as refused:
        read_manifest(value if isinstance(value, str | bytes) else json.dumps(value), model)
    return refused.value.reasons


def test_a_manifest_reads_back_as_it_was_written():
    assert read_manifest(IRIS.to_json(), "iris") == IRIS


def test_a_large_file_is_known_by_its_parts():
    manifest = Manifest("llm", (BundleFile("model.safetensors", f"{A}-3200", LIMIT_BUNDLE_BYTES),))

    assert read_manifest(manifest.to_json(), "llm") == manifest


def test_the_digest_does_not_depend_on_the_order_of_files():
    assert replace(IRIS, files=IRIS.files[::-1]).digest == IRIS.digest


@pytest.mark.parametrize(
    "other",
    [
        (BundleFile("model.onnx", B, 10), BundleFile("x/model.yaml", B, 0)),
        (BundleFile("model.onnx", A, 11), BundleFile("x/model.yaml", B, 0)),
        (BundleFile("model2.onnx", A, 10), BundleFile("x/model.yaml", B, 0)),
        (BundleFile("model.onnx", A, 10),),
    ],
)
def test_the_digest_is_another_for_any_other_file(other: tuple[BundleFile, ...]):
    assert replace(IRIS, files=other).digest != IRIS.digest


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        (
            [entry("../x")],
            "manifest.json: files[0]: path '../x': expected a path inside the bundle",
        ),
        ([entry("/x")], "manifest.json: files[0]: path '/x': expected a path inside the bundle"),
        ([entry("a\\b")], "manifest.json: files[0]: path 'a\\\\b': expected forward slashes"),
        ([entry(7)], "manifest.json: files[0]: path 7: expected text"),
        ([entry(), entry()], "manifest.json: model.onnx is listed twice"),
        (
            [entry(), entry("model.onnx/x")],
            "manifest.json: model.onnx is listed as a file, and as the folder of model.onnx/x",
        ),
        ([entry("manifest.json")], "manifest.json lists itself; it is not part of the bundle"),
        (
            [entry(sha256="A" * 64)],
            "manifest.json: files[0]: model.onnx: sha256 'AAAAA",
        ),
        (
            [entry(size_bytes=-1)],
            "manifest.json: files[0]: model.onnx: size_bytes -1: expected a whole number",
        ),
        ([entry(size_bytes=True)], "manifest.json: files[0]: model.onnx: size_bytes true"),
        ([entry(size_bytes=1.5)], "manifest.json: files[0]: model.onnx: size_bytes 1.5"),
        ([{"path": "x"}], "manifest.json: files[0]: 'path', 'sha256' and 'size_bytes' expected"),
        (["x"], "manifest.json: files[0]: 'path', 'sha256' and 'size_bytes' expected"),
        (
            [entry(str(n)) for n in range(201)],
            "manifest.json: 201 files, at most 200 allowed: save the weights in one file",
        ),
        (
            [entry("é" * 256 + str(n)) for n in range(22)],
            "manifest.json: the paths have 11298 bytes in all, at most 11264 allowed",
        ),
        (
            [entry("a", size_bytes=LIMIT_BUNDLE_BYTES), entry("b", size_bytes=1)],
            f"manifest.json: {LIMIT_BUNDLE_BYTES + 1} bytes in all, at most {LIMIT_BUNDLE_BYTES}",
        ),
        (
            [entry(sha256=f"{A}-3", size_bytes=2**27)],
            f"manifest.json: files[0]: model.onnx: sha256 '{A}-3': of 3 parts, expected 2 of 64",
        ),
        ([entry(sha256=f"{A}-1", size_bytes=0)], "manifest.json: files[0]: model.onnx: sha256"),
        ([entry(sha256=f"{A}-0")], "manifest.json: files[0]: model.onnx: sha256"),
    ],
)
def test_a_file_that_cannot_be_is_named(files: list[Any], reason: str):
    (found,) = reasons({"model": "iris", "files": files})

    assert found.startswith(reason)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("{", "manifest.json is not JSON: "),
        (b"\xff", "manifest.json is not JSON: "),
        ("[" * 100_000, "manifest.json is not JSON: "),
        ([], 'manifest.json: {"model": …, "files": […]} expected'),
        ({"model": "iris"}, 'manifest.json: {"model": …, "files": […]} expected'),
        (
            {"model": "digits", "files": []},
            "manifest.json: model 'digits' given, 'iris' expected: "
            "the upload lies in incoming/iris/",
        ),
    ],
)
def test_a_manifest_of_another_shape_is_refused(value: Any, reason: str):
    (found,) = reasons(value)

    assert found.startswith(reason)


def test_every_mistake_is_reported_at_once():
    files = [entry("../x"), entry(sha256=""), entry("ok"), entry("ok")]

    assert len(reasons({"model": "x", "files": files})) == 4


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["path", "sha256", "size_bytes", "x"]), inner, max_size=4)
    ),
    max_leaves=8,
)


@given(st.one_of(st.binary(), JSON.map(lambda v: json.dumps({"model": "iris", "files": v}))))
def test_anything_else_is_refused_and_never_fails(text: str | bytes):
    with suppress(BundleRefused):
        read_manifest(text, "iris")
