"""A model of 400 MB is optimised within the memory of its function."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
FUNCTION_MIB = 3008
"""What the step has by default, and what new AWS accounts allow at most."""
BUILD = """
import json, sys
from pathlib import Path
import onnx
from benchmarks.graphs import encoder
from serval.bundles.onnx_signature import read_signature
from serval.bundles.verification.files import sha256_of

folder = Path(sys.argv[1])
model = encoder(layers=12, width=768)
onnx.save(model, folder / "model.onnx")
path = folder / "model.onnx"
file = {"path": path.name, "sha256": sha256_of(path), "size_bytes": path.stat().st_size}
pinned = {"key": "incoming/m/u/model.onnx", "version_id": "pinned"}
verified = {
    "files": [file],
    "artifact": "model.onnx",
    "artifact_files": ["model.onnx"],
    "signature": read_signature(model).to_json(),
    "bundle": {"name": "m"},
}
upload = {"model": "m", "rollout": "u", "files": [file | pinned]}
print(json.dumps({"upload": upload, "verified": verified}))
"""
OPTIMISE = """
import json, sys
from pathlib import Path
from serval.inference.cpu import cpu_class
from serval.rollouts.steps.optimise import Optimise
from tests.fakes.optimisation import LocalFolder

folder = Path(sys.argv[1])
bucket = LocalFolder(folder)
work = folder / "work"
work.mkdir()
outcome = Optimise(bucket, cpu_class(), int(sys.argv[2]), work).optimise(json.load(sys.stdin))
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
peak_mib = int(status["VmHWM"].split()[0]) // 1024
print(json.dumps(outcome | {"peak_mib": peak_mib, "staged_bytes": bucket.staged_bytes}))
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """Give a folder that is gone after the test: it holds gigabytes."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def run(code: str, *arguments: object, given: str = "") -> dict[str, Any]:
    """Run code in a process of its own, whose memory is nobody else's."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    ran = subprocess.run(command, cwd=ROOT, input=given, capture_output=True, text=True, check=True)
    answer: dict[str, Any] = json.loads(ran.stdout)
    return answer


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
def test_a_model_of_400_mb_is_optimised_within_3_gb(folder: Path) -> None:
    event = run(BUILD, folder)
    size = event["upload"]["files"][0]["size_bytes"]
    assert size > 400 * 10**6
    outcome = run(OPTIMISE, folder, FUNCTION_MIB, given=json.dumps(event))
    assert [form["name"] for form in outcome["forms"]][:1] == ["portable"]
    assert outcome["staged_bytes"] >= 0.99 * size
    assert outcome["peak_mib"] < FUNCTION_MIB / 2
    assert list((folder / "work").iterdir()) == []
