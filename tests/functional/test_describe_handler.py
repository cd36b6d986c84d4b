"""The handler of ``describe``: how it is wired, and what it imports."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.describe import Bench

ROOT = Path(__file__).parents[2]


def test_the_handler_answers_a_recorded_event(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(authentication="gateway")
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setenv("REGISTRY_TABLE", "registry")
    event = json.loads((ROOT / "events/describe_health.json").read_text())
    spec = importlib.util.spec_from_file_location("h", ROOT / "functions/describe/handler.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ready", bench.endpoint)
    assert module.handler(event, None)["statusCode"] == 200


def test_describe_starts_without_what_it_does_not_need() -> None:
    code = (
        "import sys; sys.path.insert(0, 'functions/describe'); import handler;"
        "print(*{name.split('.')[0] for name in sys.modules})"
    )
    environment = {"AWS_REGION": "eu-central-1", "REGISTRY_TABLE": "registry"}
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    heavy = {"numpy", "onnx", "onnxruntime", "pydantic", "aws_lambda_powertools", "yaml"}
    assert not heavy & set(run.stdout.split())
