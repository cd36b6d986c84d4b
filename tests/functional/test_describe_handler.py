"""The handler of ``describe``: how it is wired, and what it imports."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.describe import Bench
from tests.fakes.handlers import imported, recorded

ROOT = Path(__file__).parents[2]


def test_the_handler_answers_a_recorded_event(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {"REGISTRY_TABLE": "registry"}
    endpoint = Bench(authentication="gateway").endpoint
    module = imported("describe", environment, endpoint, monkeypatch)
    assert module.handler(recorded("describe_health"), None)["statusCode"] == 200


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
