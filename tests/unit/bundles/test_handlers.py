"""Bundles with a handler: the runtime that their files choose, and the packages that they pin."""

import pytest

from serval.bundles.bundle import read_bundle
from serval.bundles.handlers import declaration_reasons, lock_reasons, with_handler, write_lock
from serval.errors import BundleRefused
from serval.handlers.conventions import handler_at

FILE = handler_at("handler.py")
PINS = "rapidfuzz==3.14.6 \\\n    --hash=sha256:07\n# by hand\nnumpy==2.1 --hash=sha256:08\n"


@pytest.mark.parametrize(
    ("text", "paths", "chosen"),
    [
        ("name: a", ["handler.py"], ("python", "handler.py")),
        ("name: a", ["code/inference.py"], ("python", "code/inference.py")),
        ("name: a", ["handler.py", "model.onnx"], ("onnx", "model.onnx")),
        ("name: a\nartifact: other.onnx", ["handler.py"], ("onnx", "other.onnx")),
        ("name: a\nruntime: {kind: onnx}", ["handler.py"], ("onnx", "model.onnx")),
        ("name: a", ["inference.py"], ("onnx", "model.onnx")),
        (
            "name: a\nruntime: {kind: python}",
            ["handler.py", "model.onnx"],
            ("python", "handler.py"),
        ),
    ],
)
def test_files_choose_the_runtime_where_model_yaml_does_not(
    text: str, paths: list[str], chosen: tuple[str, str]
) -> None:
    bundle = with_handler(read_bundle(text), paths)
    assert (bundle.runtime.kind, bundle.artifact) == chosen


def test_python_needs_a_handler() -> None:
    bundle = read_bundle("name: a\nruntime: {kind: python}")
    [reason] = declaration_reasons(with_handler(bundle, ["model.onnx"]), ["model.onnx"])
    assert reason == (
        "model.yaml: runtime: kind: 'python' needs handler.py or code/inference.py in the bundle"
    )


def test_only_a_handler_has_an_environment_and_secrets() -> None:
    bundle = read_bundle("name: a\nenv: {A: '1'}\nsecrets: {B: hub-token}")
    assert declaration_reasons(bundle, ["model.onnx"]) == [
        "model.yaml: env: only a handler has an environment",
        "model.yaml: secrets: only a handler has an environment",
    ]
    assert declaration_reasons(with_handler(bundle, ["handler.py"]), ["handler.py"]) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("env: {1A: x}", "letters, digits and '_'"),
        ("env: {PYTHONPATH: x}", "the process's own"),
        ("env: {A: 1}", "string"),
        (r'env: {A: "a\0b"}', "expected text without NUL characters"),
        ("secrets: {PYTHONPATH: x}", "the process's own"),
        ("secrets: {A: /other/model/token}", "1 to 128 letters, digits"),
        ("secrets: {A: x}\nenv: {A: x}", "both set the variable 'A'"),
        ("secrets: {" + ", ".join(f"A{n}: x" for n in range(11)) + "}", "at most 10 items"),
    ],
)
def test_variables_have_names_and_text(text: str, said: str) -> None:
    with pytest.raises(BundleRefused, match=said):
        read_bundle(f"name: a\n{text}")


def test_a_lock_belongs_to_its_requirements() -> None:
    lock = write_lock(b"rapidfuzz\nnumpy\n", PINS).encode()
    assert lock_reasons(FILE, b"rapidfuzz\nnumpy\n", lock) == []
    [reason] = lock_reasons(FILE, b"rapidfuzz\n", lock)
    assert reason.startswith("requirements.txt has changed since requirements.lock was made: run")


def test_no_requirements_need_no_lock() -> None:
    assert lock_reasons(FILE, None, None) == []
    [missing] = lock_reasons(FILE, b"numpy", None)
    assert missing.startswith("requirements.txt has no requirements.lock, which pins its packages")
    [alone] = lock_reasons(FILE, None, b"")
    assert alone.startswith("requirements.lock is there without requirements.txt")


@pytest.mark.parametrize(
    ("pins", "said"),
    [
        ("a==1 --hash=sha256:0\nnumpy>=2\n", "requirements.lock line 3: numpy>=2 is not pinned"),
        ("numpy==2\n", "requirements.lock line 2: numpy==2 has no hash"),
        ("-e .\n", "requirements.lock line 2: -e . is not pinned"),
        ("--index-url https://example.com\n", "line 2: --index-url https://example.com is not"),
        ("a @ https://example.com/a.whl \\\n --hash=sha256:0", "line 2: a @ https://example.com"),
        ("a==1 \\\n  --hash=sha256:0\nb\n", "requirements.lock line 4: b is not pinned"),
    ],
)
def test_a_lock_pins_every_package_with_its_hashes(pins: str, said: str) -> None:
    [reason] = lock_reasons(FILE, b"", write_lock(b"", pins).encode())
    assert said in reason
