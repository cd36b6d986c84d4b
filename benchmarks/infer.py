"""Measure what ``infer`` adds to a bare ``session.run``, in one process.

Run as ``python -m benchmarks.infer``. Events and replies are those of API Gateway; keys, routes and
artifacts come from memory, so only the handler is timed.
"""

import base64
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from rich.console import Console
from rich.table import Table

from benchmarks.graphs import encoder, resnet50
from serval.access.api_key import MOST_PER_MINUTE, ApiKey, hash_api_key
from serval.bundles.onnx_signature import read_signature
from tests.fakes.inference import Bench, bench, event

ROUNDS = 7
SECONDS_A_ROUND = 0.4


def time_once(work: Callable[[], object]) -> float:
    """Return the seconds of one call, averaged over as many as fit into a round."""
    started = time.perf_counter()
    calls = 0
    while (took := time.perf_counter() - started) < SECONDS_A_ROUND:
        work()
        calls += 1
    return took / calls


def time_interleaved(works: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Return each work's median seconds; rounds alternate, as machines drift."""
    for work in works.values():
        work()
    samples: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(ROUNDS):
        for name, work in works.items():
            samples[name].append(time_once(work))
    return {name: statistics.median(values) for name, values in samples.items()}


def json_event(model: str, name: str, datatype: str, array: npt.NDArray[Any]) -> dict[str, Any]:
    """Build a request with the tensor as JSON."""
    item = {
        "name": name,
        "shape": array.shape,
        "datatype": datatype,
        "data": array.ravel().tolist(),
    }
    return event(model, json.dumps({"inputs": [item]}))


def binary_event(model: str, name: str, datatype: str, array: npt.NDArray[Any]) -> dict[str, Any]:
    """Build a request with a binary tensor that asks for a binary answer."""
    raw = array.tobytes()
    item = {
        "name": name,
        "shape": array.shape,
        "datatype": datatype,
        "parameters": {"binary_data_size": len(raw)},
    }
    head = json.dumps({"inputs": [item], "parameters": {"binary_data_output": True}}).encode()
    return event(
        model,
        base64.b64encode(head + raw).decode(),
        is_base64=True,
        inference_header_content_length=str(len(head)),
    )


def time_handler(
    made: Bench, name: str, datatype: str, array: npt.NDArray[Any]
) -> dict[str, float]:
    """Time the bare run and the handler on the same loaded session."""
    by_json = json_event("m", name, datatype, array)
    by_binary = binary_event("m", name, datatype, array)
    for sent in (by_json, by_binary):
        reply = made.endpoint.reply(sent)
        if reply["statusCode"] != 200:
            raise SystemExit(f"the benchmark's own request failed: {reply['body']}")
    loaded = made.endpoint.inference.loaded.get("m", "1")
    session, outputs = loaded.model._session, list(loaded.outputs)  # type: ignore[attr-defined]
    return time_interleaved(
        {
            "bare run": lambda: session.run(outputs, {name: array}),
            "JSON": lambda: made.endpoint.reply(by_json),
            "binary": lambda: made.endpoint.reply(by_binary),
        }
    )


def main() -> None:
    """Print the table."""
    random = np.random.default_rng(0)
    iris = Path(__file__).parents[1] / "models" / "iris" / "model.onnx"
    if not iris.exists():
        raise SystemExit("models/iris/model.onnx is not built: run `make models`")
    cases: list[tuple[str, onnx.ModelProto, str, str, npt.NDArray[Any]]] = [
        ("iris", onnx.load(iris), "measurements", "FP32", random.random((1, 4), np.float32)),
        (
            "MiniLM-shaped, 32 tokens",
            encoder(),
            "ids",
            "INT64",
            random.integers(0, 30000, (1, 32)),
        ),
        (
            "ResNet50-shaped",
            resnet50(),
            "image",
            "FP32",
            random.random((1, 3, 224, 224), np.float32),
        ),
    ]
    table = Table(title="the infer handler over a bare session.run, µs (ratio to the bare run)")
    for column in ("model", "bare run", "JSON", "binary"):
        table.add_column(column, justify="left" if column == "model" else "right")
    for title, model, name, datatype, array in cases:
        with tempfile.TemporaryDirectory() as folder:
            made = bench(Path(folder))
            made.edge.keys[hash_api_key("srv_good")] = ApiKey.describe(
                "srv_good", "bench", ["*"], "2026", realtime_per_minute=MOST_PER_MINUTE
            )
            made.edge.publish("m", "1", model.SerializeToString(), read_signature(model))
            took = time_handler(made, name, datatype, array)
        bare = took["bare run"]
        table.add_row(
            title,
            f"{bare * 1e6:,.1f}",
            *(f"{took[form] * 1e6:,.1f} ({took[form] / bare:.2f}x)" for form in ("JSON", "binary")),
        )
    Console().print(table)


if __name__ == "__main__":
    main()
