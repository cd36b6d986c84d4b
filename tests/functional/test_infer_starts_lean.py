"""The lean entry of ``infer``: what a fresh interpreter imports for it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = {
    "boto3", "botocore", "pydantic", "aws_lambda_powertools", "aws_xray_sdk", "onnx", "yaml",
    "jsonata",
}  # fmt: skip
ENVIRONMENT = {
    "AWS_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "id",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769",
    "REGISTRY_TABLE": "table",
    "ARTIFACT_BUCKET": "bucket",
}


def imported(code: str, *paths: Path) -> set[str]:
    """Run code in an interpreter that sees nothing but the paths; gives what it imported."""
    setup = f"import sys; sys.path[1:1] = {[str(path) for path in paths]!r}\n"
    run = subprocess.run(
        [sys.executable, "-I", "-c", setup + code + "\nprint(*sys.modules)"],
        env=os.environ | ENVIRONMENT,
        capture_output=True,
        text=True,
        check=True,
    )
    return {name.split(".")[0] for name in run.stdout.split()}


def test_infer_starts_without_heavy_imports() -> None:
    assert not HEAVY & imported("import handler", ROOT / "functions" / "infer")


def test_infer_starts_from_its_layers_alone() -> None:
    layers = [ROOT / "build/layers/local" / name / "python" for name in ("core", "inference")]
    assert all(layer.exists() for layer in layers), "run `make layers-aws`"
    code = (
        "sys.path[:] = [p for p in sys.path if 'site-packages' not in p]\n"
        "import handler, serval, numpy, onnxruntime\n"
        f"assert serval.__file__.startswith({str(layers[0])!r}), serval.__file__\n"
        f"assert numpy.__file__.startswith({str(layers[1])!r}), numpy.__file__"
    )
    assert not HEAVY & imported(code, ROOT / "functions" / "infer", *layers)


def test_infer_imports_nothing_of_pipelines_before_a_version_is_one() -> None:
    code = (
        "import handler, sys\n"
        "assert not [name for name in sys.modules if name.startswith('serval.pipelines')]"
    )
    imported(code, ROOT / "functions" / "infer")


def test_infer_imports_nothing_of_a_cache_before_a_version_has_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ANSWERS_TABLE", "answers")
    code = (
        "import handler, sys\n"
        "mine = ('serval.inference.cached', 'serval.inference.kept_answers', "
        "'serval.aws.signed.answers')\n"
        "assert not [name for name in sys.modules if name.startswith(mine)]"
    )
    imported(code, ROOT / "functions" / "infer")
