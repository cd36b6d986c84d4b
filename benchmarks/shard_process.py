"""Run one shard, or the floor, in this process, and print the measurements as JSON.

``python -m benchmarks.shard_process KIND FORMAT BATCH_ROWS FOLDER``, called by ``benchmarks.shard``
in fresh processes. FOLDER holds ``rows.csv`` or ``rows.jsonl``, and gets the output.
"""

import io
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import polars as pl

from benchmarks.opening import peak_bytes
from serval.batch.input.columns import InputColumns
from serval.batch.input.csv.records import CsvRecords
from serval.batch.input.jsonl.records import JsonlRecords
from serval.batch.input.records import Records, whole_records
from serval.batch.plan.draft import BLOCK_BYTES
from serval.batch.shard.engine import ShardEngine
from serval.batch.shard.outputs import PartFormat
from serval.bundles.onnx_signature import read_signature
from serval.inference.runtimes.onnx import OnnxModel, session_options

MODEL = Path("models/iris/model.onnx")
MEMORY_MIB = 1769
COLUMNS = ("sepal_length", "sepal_width", "petal_length", "petal_width", "note")
NEEDED = COLUMNS[:4]
INPUT = "measurements"
OUTPUT = "output"


class FileSink:
    """Writes to a local file."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")

    def write(self, data: bytes) -> None:
        """Append bytes."""
        self._file.write(data)

    def close(self) -> None:
        """Complete the file."""
        self._file.close()

    def abort(self) -> None:
        """Stop writing."""
        self._file.close()


def pieces(path: Path) -> Iterator[bytes]:
    """Read a file in the blocks in which an object's body is read."""
    with path.open("rb") as file:
        while piece := file.read(BLOCK_BYTES):
            yield piece


def shard(form: str, batch_rows: int, folder: Path) -> int:
    """Process the file as ``shard`` does, and return the number of rows."""
    signature = read_signature(onnx.load(MODEL))
    (spec,) = signature.inputs
    source = folder / f"rows.{form}"
    records: Records = JsonlRecords(signature.inputs)
    blocks = pieces(source)
    offset = 0
    if form == "csv":
        records = CsvRecords(COLUMNS, [InputColumns(spec, NEEDED)])
        first = next(blocks)
        offset = first.index(b"\n") + 1
        rest, blocks = first[offset:], blocks
        blocks = (piece for each in ([rest], blocks) for piece in each)
    engine = ShardEngine(
        records=records,
        model=OnnxModel(MODEL, MEMORY_MIB),
        outputs=signature.outputs,
        batch_rows=batch_rows,
        part=PartFormat("csv" if form == "csv" else "jsonl", signature.outputs),
        clock=time.perf_counter,
    )
    found = engine.run(
        whole_records(blocks, offset, 0, quoted=form == "csv"),
        FileSink(folder / OUTPUT),
        FileSink(folder / "errors"),
        header=form == "csv",
    )
    return found.counts.rows


def floor(form: str, batch_rows: int, folder: Path) -> int:
    """Process the file as fast as possible, all at once, and return the number of rows."""
    session = onnxruntime.InferenceSession(
        str(MODEL), session_options(MEMORY_MIB), providers=["CPUExecutionProvider"]
    )
    array = read_csv(folder) if form == "csv" else read_jsonl(folder)
    (name,) = [each.name for each in session.get_inputs()]
    outputs = [each.name for each in session.get_outputs()]
    runs: list[Any] = [
        session.run(outputs, {name: array[start : start + batch_rows]})
        for start in range(0, len(array), batch_rows)
    ]
    found = {
        output: np.concatenate([run[index] for run in runs]) for index, output in enumerate(outputs)
    }
    columns = {
        f"{output}_{index}" if values.ndim > 1 else output: column
        for output, values in found.items()
        for index, column in enumerate(values.reshape(len(values), -1).T)
    }
    if form == "csv":
        pl.DataFrame(columns).write_csv(folder / OUTPUT)
    else:
        pl.DataFrame(found).write_ndjson(folder / OUTPUT)
    return len(array)


def read_csv(folder: Path) -> Any:
    """Read the needed columns."""
    frame = pl.read_csv(
        folder / "rows.csv",
        columns=list(NEEDED),
        schema_overrides=dict.fromkeys(NEEDED, pl.Float32),
    )
    return np.column_stack([frame[column].to_numpy() for column in NEEDED])


def read_jsonl(folder: Path) -> Any:
    """Read the only input."""
    body = io.BytesIO((folder / "rows.jsonl").read_bytes())
    frame = pl.read_ndjson(body, schema={INPUT: pl.List(pl.Float64)})
    return frame[INPUT].explode().to_numpy().astype(np.float32).reshape(len(frame), -1)


KINDS: dict[str, Callable[[str, int, Path], int]] = {"shard": shard, "floor": floor}


def main() -> None:
    """Measure and print."""
    kind, form, batch_rows, folder = sys.argv[1:]
    KINDS[kind](form, int(batch_rows), Path(folder) / "warm")
    started = time.perf_counter()
    rows = KINDS[kind](form, int(batch_rows), Path(folder))
    seconds = time.perf_counter() - started
    print(json.dumps({"rows_per_second": rows / seconds, "peak_bytes": peak_bytes()}))


if __name__ == "__main__":
    main()
