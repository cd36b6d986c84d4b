"""Measure a shard's rows per second against the floor, and its memory.

Run as ``python -m benchmarks.shard``. The floor reads the whole file at once with polars, runs ONNX
Runtime on batches of the same size and writes everything at once; the shard does what ``shard``
does on Lambda, without S3. Each run is a fresh process; rounds alternate between the two.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

ROWS = 1_000_000
LARGE = 4
"""Factor of rows in a file that shows how memory depends on a file's size."""
ROUNDS = 5
BATCHES = (32, 1024)
LEAST_SHARE = 0.7
MOST_MB = 600
HEADER = b"sepal_length,sepal_width,petal_length,petal_width,note\n"
COLUMNS = ("format", "run of", "floor, rows/s", "shard, rows/s", "share", "MB")


def write_inputs(folder: Path, rows: int) -> None:
    """Write the rows as JSONL, and as CSV with quoted newlines in an unused column."""
    folder.mkdir(parents=True)
    lengths = np.random.default_rng(0).uniform(0, 8, (rows, 4)).round(1)
    with (folder / "rows.csv").open("wb") as table, (folder / "rows.jsonl").open("wb") as lines:
        table.write(HEADER)
        for a, b, c, d in lengths.tolist():
            table.write(b'%.1f,%.1f,%.1f,%.1f,"a ""note""\n of two lines"\n' % (a, b, c, d))
            lines.write(b'{"measurements": [%.1f, %.1f, %.1f, %.1f]}\n' % (a, b, c, d))


def run_process(kind: str, form: str, batch_rows: int, folder: Path) -> dict[str, float]:
    """Run a shard or the floor in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.shard_process", kind, form, str(batch_rows)]
    run = subprocess.run([*command, str(folder)], capture_output=True, text=True, check=True)
    return dict(json.loads(run.stdout))


def compare_rates(form: str, batch_rows: int, folder: Path) -> tuple[float, float, float]:
    """Return the median rows per second of floor and shard, and the shard's peak memory."""
    rates: dict[str, list[float]] = {"floor": [], "shard": []}
    peak = 0.0
    for _ in range(ROUNDS):
        for kind, taken in rates.items():
            found = run_process(kind, form, batch_rows, folder)
            taken.append(found["rows_per_second"])
            if kind == "shard":
                peak = max(peak, found["peak_bytes"])
    return statistics.median(rates["floor"]), statistics.median(rates["shard"]), peak


def problems_of(form: str, share: float | None, peak: float) -> list[str]:
    """Name the missed goals."""
    found = [f"{form}: {share:.2f} of the floor"] if share and share < LEAST_SHARE else []
    return found + ([f"{form}: {peak / 1e6:.0f} MB"] if peak > MOST_MB * 1e6 else [])


def add_shards(table: Table, form: str, folder: Path) -> list[str]:
    """Measure a format against the floor."""
    problems: list[str] = []
    for batch_rows in BATCHES:
        floor, shard, peak = compare_rates(form, batch_rows, folder)
        table.add_row(
            form,
            str(batch_rows),
            f"{floor:,.0f}",
            f"{shard:,.0f}",
            f"{shard / floor:.2f}",
            f"{peak / 1e6:.0f}",
        )
        problems += problems_of(form, shard / floor, peak)
    return problems


def add_large(table: Table, form: str, folder: Path) -> list[str]:
    """Measure the memory that a larger file takes."""
    found = run_process("shard", form, BATCHES[-1], folder)
    name = f"{form}, {(folder / f'rows.{form}').stat().st_size / 1e6:.0f} MB"
    rate, peak = f"{found['rows_per_second']:,.0f}", f"{found['peak_bytes'] / 1e6:.0f}"
    table.add_row(name, str(BATCHES[-1]), "", rate, "", peak)
    return problems_of(name, None, found["peak_bytes"])


def main() -> None:
    """Print the table; fail if a shard is too slow or takes too much memory."""
    table = Table(title=f"one shard of the iris model, {ROWS:,} rows, 1 thread")
    for column in COLUMNS:
        table.add_column(column, justify="left" if column == "format" else "right", no_wrap=True)
    problems: list[str] = []
    with tempfile.TemporaryDirectory() as made:
        folder, large = Path(made) / "rows", Path(made) / "large"
        for place, rows in ((folder, ROWS), (large, LARGE * ROWS)):
            write_inputs(place, rows)
            write_inputs(place / "warm", 1_000)
        for form in ("csv", "jsonl"):
            problems += add_shards(table, form, folder)
            problems += add_large(table, form, large)
    Console().print(table)
    if problems:
        raise SystemExit("; ".join(problems))


if __name__ == "__main__":
    main()
