"""Versions for a registry of nothing else, and calls that meet."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from serval.models.signature import Signature, TensorSpec
from serval.models.version import BundleFile, ModelVersion


def at_once(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """Make calls in threads that start together; give their answers in order."""
    start = threading.Barrier(len(calls))

    def wait_and(call: Callable[[], Any]) -> Any:
        start.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(wait_and, calls))


def version(number: str, model: str = "iris", description: str = "") -> ModelVersion:
    return ModelVersion(
        model=model,
        version=number,
        digest="d" * 64,
        created="2026-11-21T10:15:00.000Z",
        artifact="model.onnx",
        artifact_files=("model.onnx", "weights.bin"),
        files=(
            BundleFile("model.onnx", "a" * 64, 2300),
            BundleFile("weights.bin", "b" * 64, 5),
        ),
        signature=Signature(
            (TensorSpec("x", "FP32", (-1, 4)),), (TensorSpec("label", "INT64", (-1,)),)
        ),
        bundle={"name": model, "description": description},
    )
