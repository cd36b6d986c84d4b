"""Make a bundle of what an exporter wrote, publish it, ask it, and measure how far it is off."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from serval.client import Client
from serval.models.signature import Signature
from serval.models.tensor import Tensor
from serval_cli.api.tensor_call import call
from serval_cli.bundle.samples.files import read_sample
from tests.local.conftest import ROOT, LocalStage

EXPORTED = ROOT / "build" / "exporters"
WITH_LIBRARIES = ROOT / "build/environments/exporters/bin/python"
TOLERANCE = 1e-4


def init(
    name: str, source: Path, folder: Path, *words: Any, python: Any = sys.executable
) -> subprocess.CompletedProcess[str]:
    """Run ``serval init`` in an environment, by default ours, under a name that is free."""
    model = f"{name[:50]}-{uuid.uuid4().hex[:6]}"
    return subprocess.run(
        [
            *(python, "-m", "serval_cli.main", "init", model, "--json"),
            *("--from", source, "--dir", folder, *words),
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": "layers/core/python:cli"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )


def publish(stage: LocalStage, folder: Path) -> str:
    """Publish a bundle, and return its name."""
    pushed: str = json.loads(stage.serval("push", str(folder), "--wait", "--json"))["model"]
    return pushed


def ask_tensors(stage: LocalStage, model: str, inputs: Path) -> Sequence[Tensor]:
    """Ask a live model with the tensors of a ``.npz``."""
    with Client(stage.api_url, stage.api_key, trust_environment=False) as client:
        signature = Signature.from_json(client.describe(model))
        return call(client, model, None, read_sample(inputs, signature), signature.outputs).outputs


def ask_task(stage: LocalStage, model: str, body: Any) -> Any:
    """Ask a live model in the words of its task."""
    headers = {"x-api-key": stage.api_key}
    with httpx.Client(trust_env=False, timeout=60) as client:
        reply = client.post(f"{stage.api_url}/models/{model}", json=body, headers=headers)
    assert reply.status_code == 200, reply.text
    return reply.json()


def largest_difference(got: Any, expected: Any, tolerance: float = TOLERANCE) -> float:
    """Return how far numbers are off, at most the tolerance; everything else is equal."""
    if isinstance(expected, np.ndarray):
        assert got.shape == expected.shape
        return largest_difference(got.tolist(), expected.tolist(), tolerance)
    if isinstance(expected, float):
        off: float = abs(got - expected) / max(abs(expected), 1)
        assert off <= tolerance
        return off
    if isinstance(expected, dict):
        assert set(got) == set(expected)
        return max(largest_difference(got[key], expected[key], tolerance) for key in expected)
    if isinstance(expected, list):
        assert len(got) == len(expected)
        each = zip(got, expected, strict=True)
        return max((largest_difference(*pair, tolerance) for pair in each), default=0.0)
    assert got == expected
    return 0.0
