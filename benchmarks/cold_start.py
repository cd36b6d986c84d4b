"""Measure a start of ``infer`` under Lambda's own client, against the least possible.

Run as ``python -m benchmarks.cold_start``. ``awslambdaric`` runs functions over a local stand-in of
Lambda's Runtime API, from the layers built for this machine, with byte-code and a warm page cache.
*Bare* has a hard-wired model file and imports only numpy and ONNX Runtime; *Serval* reads key,
route, version and artifact from the embedded emulator. KServe's model server answers the same
requests over HTTP, if its environment exists (``make bench`` creates it). *Read* is the time the
emulator takes to send the same files to a client that drops them, which bare and KServe save by
having the file on this machine.

Rounds alternate, medians are printed. Lambda's own share of a cold start is not included: compare
only figures of one run.
"""

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import onnx
import onnxruntime
from rich.console import Console
from rich.table import Table

from benchmarks.forms import candidate_of
from benchmarks.graphs import encoder
from benchmarks.infer import time_once
from benchmarks.opening import MEMORY_MIB, PUBLISHED
from benchmarks.starts import KSERVE_PYTHON, Running, bare, kserve, serval
from serval.access.api_key import MOST_PER_MINUTE
from serval.connections import Connection
from serval.inference.cpu import cpu_class
from serval.models.storage import version_prefix
from serval.rollouts.forms.forms import PORTABLE, make_forms
from tests.fakes.emulator import BUCKET, Emulator, emulator

ROUNDS, WARM_ROUNDS, CALLS = 11, 7, 300
IRIS = Path(__file__).parents[1] / "models" / "iris" / PUBLISHED
TOKENS = 8
BARE, READ, SERVAL, KSERVE = "bare", "read", "Serval", "KServe"
MOST_OVER_BARE = 1.5
MOST_OVERHEAD_US = 300.0
LEAST_FASTER_START, LEAST_LESS_OVERHEAD = 5.0, 3.0
Starts = dict[str, Callable[[], AbstractContextManager[Running]]]


@dataclass(frozen=True, slots=True)
class Case:
    """A model in one form, and a request to it."""

    title: str
    starts: Starts


def body_of(name: str, datatype: str, values: "np.ndarray[Any, Any]") -> str:
    """Build a request with one tensor."""
    tensor = {"name": name, "datatype": datatype, "shape": values.shape}
    return json.dumps({"inputs": [tensor | {"data": values.ravel().tolist()}]})


def publish_case(
    aws: Emulator, folder: Path, title: str, graph: onnx.ModelProto, body: str, form: str | None
) -> Case:
    """Publish a model, and return how each contender starts with it."""
    folder.mkdir()
    name = folder.name
    candidate = candidate_of(graph, folder)
    record = replace(candidate.record, model=name)
    model_file = folder / PUBLISHED
    if form is not None:
        made = make_forms(candidate, folder, cpu_class(), MEMORY_MIB)
        (wanted,) = (each for each in made.forms if each.name == form)
        record, model_file = replace(record, forms=(wanted,)), folder / wanted.artifact
    aws.publish(record, folder)
    key, _ = aws.keys.create("benchmark", [name], realtime_per_minute=MOST_PER_MINUTE)
    paths = [file.path for file in record.forms[0].files] if form else record.artifact_files
    starts: Starts = {
        BARE: partial(bare, model_file, body),
        READ: partial(read_objects, aws, [version_prefix(name, record.version) + p for p in paths]),
        SERVAL: partial(serval, aws.settings, name, key, body),
    }
    if KSERVE_PYTHON.exists() and form is None:
        starts[KSERVE] = partial(kserve, model_file, body)
    return Case(title, starts)


@contextmanager
def read_objects(aws: Emulator, keys: Sequence[str]) -> Iterator[Running]:
    """Time how long it takes to read objects and drop their contents."""
    url = urlsplit(aws.url)
    connection = Connection(str(url.hostname), int(url.port or 80))
    started = time.perf_counter()
    for key in keys:
        answer = connection.request("GET", f"/{BUCKET}/{key}", {"host": url.netloc})
        while answer.read(1 << 20):
            pass
    took = time.perf_counter() - started
    connection.close()
    yield Running(took, lambda: took)


@contextmanager
def open_cases() -> Iterator[list[Case]]:
    """Yield the cases over an emulator that holds their models."""
    iris = body_of("measurements", "FP32", np.array([[5.1, 3.5, 1.4, 0.2]]))
    ids = body_of("ids", "INT64", np.arange(TOKENS).reshape(1, TOKENS))
    with tempfile.TemporaryDirectory() as folder, emulator() as aws:
        yield [
            publish_case(
                aws, Path(folder) / "iris", "iris, published", onnx.load(IRIS), iris, None
            ),
            publish_case(aws, Path(folder) / "encoder", "MiniLM, published", encoder(), ids, None),
            publish_case(
                aws, Path(folder) / "portable", "MiniLM, portable", encoder(), ids, PORTABLE
            ),
        ]


def time_first_answers(starts: Starts) -> dict[str, float]:
    """Return each contender's median seconds from spawn to first answer, after a first round."""
    samples: dict[str, list[float]] = {name: [] for name in starts}
    for _ in range(1 + ROUNDS):
        for name, start in starts.items():
            with start() as process:
                samples[name].append(process.first_seconds)
    return {name: statistics.median(taken[1:]) for name, taken in samples.items()}


def time_warm(starts: Starts) -> dict[str, float]:
    """Return each contender's median seconds of a warm request."""
    starts = {name: start for name, start in starts.items() if name != READ}
    samples: dict[str, list[float]] = {name: [] for name in starts}
    with ExitStack() as stack:
        processes = {name: stack.enter_context(start()) for name, start in starts.items()}
        for number in range(1 + WARM_ROUNDS):
            for name, process in processes.items():
                taken = [process.again() for _ in range(CALLS)]
                if number:
                    samples[name].append(statistics.median(taken))
    return {name: statistics.median(taken) for name, taken in samples.items()}


def time_bare_run() -> float:
    """Return the seconds of ``session.run`` alone, on iris."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(IRIS), options, providers=["CPUExecutionProvider"])
    feed = {"measurements": np.array([[5.1, 3.5, 1.4, 0.2]], np.float32)}
    return statistics.median(time_once(lambda: session.run(None, feed)) for _ in range(WARM_ROUNDS))


def start_table(started: dict[str, dict[str, float]]) -> Table:
    """Render the starts."""
    table = Table(title="spawn to first answer, ms")
    for column in ("model", BARE, READ, SERVAL, "/ bare", "/ (bare + read)", KSERVE, "/ Serval"):
        table.add_column(column, justify="left" if column == "model" else "right")
    for title, took in started.items():
        row = [f"{took[name] * 1e3:.0f}" for name in (BARE, READ, SERVAL)]
        row += [f"{took[SERVAL] / floor:.2f}x" for floor in (took[BARE], took[BARE] + took[READ])]
        if KSERVE in took:
            row += [f"{took[KSERVE] * 1e3:.0f}", f"{took[KSERVE] / took[SERVAL]:.1f}x"]
        table.add_row(title, *row)
    return table


def warm_table(over_us: dict[str, float], run: float) -> Table:
    """Render what a warm request adds to the run."""
    table = Table(title=f"warm request to iris, µs over the bare run ({run * 1e6:.1f} µs)")
    for name in over_us:
        table.add_column(name, justify="right")
    table.add_row(*(f"{took:.0f}" for took in over_us.values()))
    return table


def missed_goals(started: dict[str, dict[str, float]], over_us: dict[str, float]) -> Iterator[str]:
    """Yield the goals that this run has missed."""
    for title, took in started.items():
        if (ratio := took[SERVAL] / took[BARE]) > MOST_OVER_BARE:
            yield f"{title}: {ratio:.2f} times the bare start, at most {MOST_OVER_BARE} wanted"
        if took.get(KSERVE, np.inf) < LEAST_FASTER_START * took[SERVAL]:
            yield f"{title}: KServe's start is less than {LEAST_FASTER_START} times Serval's"
    if over_us[SERVAL] > MOST_OVERHEAD_US:
        yield f"warm: {over_us[SERVAL]:.0f} µs over the run, at most {MOST_OVERHEAD_US:.0f} wanted"
    if over_us.get(KSERVE, np.inf) < LEAST_LESS_OVERHEAD * over_us[SERVAL]:
        yield f"warm: KServe's overhead is less than {LEAST_LESS_OVERHEAD} times Serval's"


def main() -> None:
    """Print the tables and the missed goals."""
    console = Console()
    with open_cases() as measured:
        started = {each.title: time_first_answers(each.starts) for each in measured}
        console.print(start_table(started))
        run = time_bare_run()
        over_us = {name: (took - run) * 1e6 for name, took in time_warm(measured[0].starts).items()}
    console.print(warm_table(over_us, run))
    for line in missed_goals(started, over_us):
        console.print(f"goal missed: {line}")


if __name__ == "__main__":
    main()
