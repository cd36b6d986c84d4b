"""Compare other protocols with V2, for the same rows and the same model, in one process.

Run as ``python -m benchmarks.protocols``. The model takes 16 columns and gives 4 numbers for each
row; events and replies are those of API Gateway. V2's JSON has data in two forms: flat, which is
its shortest, and a list for each row, as most of the others have. Each time is printed as multiples
of both; a body of rows is judged by V2's body of rows.

A body that names every number of every row is longer by that: what the parser alone takes for it,
if it makes Python's values of them, is in the last row.
"""

import io
import math
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import orjson
from onnx import TensorProto, helper
from rich.console import Console
from rich.table import Table

from benchmarks.infer import json_event
from serval.access.admission import RealtimeLimit
from serval.access.api_key import Caller
from serval.bundles.onnx_signature import read_signature
from tests.fakes.inference import bench, graph
from tests.fakes.protocol_calls import event_at

COLUMNS, OUTPUTS = 16, 4
ROWS = (1, 32, 1000)
ROUNDS = 400
MOST = 1.2
"""How many times V2's time a request of another protocol may take."""
FLAT, NESTED = "V2, flat data", "V2, a list a row"
SENT_FLAT = ("SageMaker V2", "SageMaker npy")
"""What has no rows in its text."""
RECORDS, PARSED = "MLflow records", "bare orjson.loads of MLflow's records"
IN_A_ROW = "V2 in a row, the median"
"""Requests of one kind, one after another, in a process of its own: it tells what memory takes."""
NAMES = [f"column_{index}" for index in range(COLUMNS)]


class Unlimited(RealtimeLimit):
    """Lets every call pass."""

    def take(self, caller: Caller) -> None:
        """Do nothing."""


def dense() -> bytes:
    """Build a graph of one matrix and a softmax."""
    weights = np.random.default_rng(0).random((COLUMNS, OUTPUTS), np.float32)
    return graph(
        [("x", TensorProto.FLOAT, ["n", COLUMNS])],
        [("y", TensorProto.FLOAT, ["n", OUTPUTS])],
        [helper.make_node("MatMul", ["x", "w"], ["z"]), helper.make_node("Softmax", ["z"], ["y"])],
        [onnx.numpy_helper.from_array(weights, "w")],
    )


def calls(rows: Any) -> Mapping[str, dict[str, Any]]:
    """Build the calls of the same rows, by what they are called."""
    listed = rows.tolist()
    split = {"dataframe_split": {"columns": NAMES, "data": listed}}
    records = {"dataframe_records": [dict(zip(NAMES, row, strict=True)) for row in listed]}
    array = io.BytesIO()
    np.save(array, rows.astype(np.float32))
    v2 = json_event("m", "x", "FP32", rows)
    nested = {"name": "x", "shape": rows.shape, "datatype": "FP32", "data": listed}
    item = {"name": "x", "shape": rows.shape, "datatype": "FP32", "data": rows.ravel().tolist()}
    csv = "\n".join(",".join(map(repr, row)) for row in listed)
    sent = partial(event_at, content_type="application/json")
    v1, sagemaker = "/v1/models/m:predict", "/endpoints/m/invocations"
    return {
        FLAT: v2,
        NESTED: v2 | {"body": orjson.dumps({"inputs": [nested]}).decode()},
        "V1 instances": sent(v1, {"instances": listed}),
        "V1 inputs": sent(v1, {"inputs": {"x": listed}}),
        "SageMaker V2": sent(sagemaker, {"inputs": [item]}),
        "SageMaker rows": sent(sagemaker, listed),
        "SageMaker CSV": sent(sagemaker, None, content_type="text/csv") | {"body": csv},
        "SageMaker npy": sent(sagemaker, array.getvalue(), content_type="application/x-npy"),
        "MLflow instances": sent("/mlflow/m/invocations", {"instances": listed}),
        "MLflow split": sent("/mlflow/m/invocations", split),
        RECORDS: sent("/mlflow/m/invocations", records),
    }


@contextmanager
def open_calls(rows: int) -> Iterator[tuple[Mapping[str, dict[str, Any]], Callable[[Any], Any]]]:
    """Yield the calls, and what answers them."""
    with tempfile.TemporaryDirectory() as folder:
        made = bench(Path(folder))
        made.edge.grant("srv_good")
        model = dense()
        made.edge.publish("m", "1", model, read_signature(onnx.load_from_string(model)))
        record = made.edge.records["m", "1"]
        made.edge.records["m", "1"] = replace(record, bundle={"columns": {"x": NAMES}})
        endpoint = replace(made.endpoint, rate_limit=Unlimited())
        given = calls(np.random.default_rng(1).random((rows, COLUMNS)).round(4))
        yield given, endpoint.reply


def measure(rows: int) -> dict[str, float]:
    """Return the seconds of each call."""
    with open_calls(rows) as (given, reply):
        for name, one in given.items():
            if (answer := reply(one))["statusCode"] != 200:
                raise SystemExit(f"the benchmark's own request failed: {name}: {answer['body']}")
        works = {name: partial(reply, one) for name, one in given.items()}
        found = time_fastest(works | {PARSED: partial(orjson.loads, given[RECORDS]["body"])})
    with ProcessPoolExecutor(1, get_context("spawn")) as fresh:
        return found | {IN_A_ROW: fresh.submit(time_in_a_row, rows).result()}


def time_in_a_row(rows: int) -> float:
    """Return the median seconds of V2's call, in a process that answers nothing else."""
    taken: list[float] = []
    with open_calls(rows) as (given, reply):
        for _ in range(ROUNDS):
            started = time.perf_counter()
            reply(given[FLAT])
            taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def time_fastest(works: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """Return each work's seconds in its fastest of many interleaved rounds.

    The works differ in what they compute, not in what they wait for: what other processes take
    from a round says nothing. Their order changes, as each finds the processor's caches as the one
    before has left them.
    """
    fastest = dict.fromkeys(works, math.inf)
    for _ in range(ROUNDS):
        for name, work in random.sample(list(works.items()), len(works)):
            started = time.perf_counter()
            work()
            fastest[name] = min(fastest[name], time.perf_counter() - started)
    return fastest


def describe(name: str, found: Mapping[str, float]) -> str:
    """Write a request's time and what of V2's it is."""
    took = found[name]
    by_flat, by_nested = took / found[FLAT], took / found[NESTED]
    ratios = f"{took * 1e6:.0f} · {by_flat:.2f} · {by_nested:.2f}"
    if name in (FLAT, NESTED, PARSED, IN_A_ROW):
        return ratios
    judged = by_flat if name in SENT_FLAT else by_nested
    return f"{ratios} {'PASS' if judged <= MOST else 'over'}"


def main() -> None:
    """Print the table."""
    table = Table(
        title="microseconds of a request · times V2's with flat data · times V2's with a list for "
        f"each row; whether it takes at most {MOST} times as long as V2's of the same form"
    )
    table.add_column("")
    found = {rows: measure(rows) for rows in ROWS}
    for rows in ROWS:
        table.add_column(f"{rows} rows", justify="right")
    for name in found[ROWS[0]]:
        table.add_row(name, *(describe(name, took) for took in found.values()))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
