"""Open one form of a model in this process, run it once, and print the measurements as JSON.

``python -m benchmarks.opening MODEL_FOLDER FORM SIGNATURE``, called by ``benchmarks.forms`` in
fresh processes. FORM and SIGNATURE are JSON; FORM is null for the published artifact.
"""

import json
import sys
import time
from pathlib import Path

from serval.inference.runtimes.onnx import OnnxModel
from serval.models.signature import Signature
from serval.models.version import Form
from serval.rollouts.golden.sample import make_samples

MEMORY_MIB = 1769
PUBLISHED = "model.onnx"


def peak_bytes() -> int:
    """Return this process's peak memory, mapped files included (Linux)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "VmHWM":
            return int(value.split()[0]) * 1024
    return 0


def main() -> None:
    """Measure and print."""
    folder, described, signature = Path(sys.argv[1]), *map(json.loads, sys.argv[2:])
    form = Form.from_json(described) if described else None
    sign = Signature.from_json(signature)
    inputs = make_samples(sign)[:2][-1]
    before = peak_bytes()
    started = time.perf_counter()
    model = OnnxModel(folder / (form.artifact if form else PUBLISHED), MEMORY_MIB, form)
    opened = time.perf_counter()
    opening_bytes = peak_bytes() - before
    model.run(inputs, sign.outputs)
    ran = time.perf_counter()
    found = {
        "open_ms": (opened - started) * 1e3,
        "run_ms": (ran - opened) * 1e3,
        "opening_bytes": opening_bytes,
        "peak_bytes": peak_bytes() - before,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
