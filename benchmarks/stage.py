"""What depends on the machine on a laptop stage: a job's cost and end, a fleet's answer.

Run as ``python -m benchmarks.stage``. It starts a stage of its own with the models of
``tests/local``, and stops it. Tests hold that all of this works; here is how well.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from rich.console import Console
from rich.table import Table

from tests.local.batch_caller import COLUMNS, BatchCaller, Rows
from tests.local.conftest import EXAMPLES, LocalStage, serval
from tests.local.fleet_caller import Caller, answered, asked, p50, p95, until
from tests.local.fleet_models import bundles

ROWS, SHARD_BYTES = 1_000_000, 2_000_000
ROUND_TRIPS = 40


@contextmanager
def stage_of_its_own() -> Iterator[LocalStage]:
    """Deploy a stage, publish iris and a fleet model, and take it down."""
    with tempfile.TemporaryDirectory() as folder:
        state, models = Path(folder) / "state", Path(folder) / "models"
        fleets = bundles.write(models, EXAMPLES)
        serval(state, "deploy", "--models", str(models), "--fleets", str(fleets))
        try:
            for bundle in ("models/iris", str(models / "light")):
                serval(state, "push", bundle, "--wait")
            yield LocalStage.read(state)
        finally:
            serval(state, "local", "down")


def job_cost(batch: BatchCaller) -> tuple[str, ...]:
    """Run a job, and compare what it cost with its estimate."""
    address = batch.put("batch/iris/bench/rows.jsonl", Rows(ROWS).jsonl())
    began = time.monotonic()
    job = batch.succeeded(batch.start("iris", address, shard_bytes=SHARD_BYTES))
    estimated, paid = job["estimate"]["cost_usd"], job["cost_usd"]
    return (
        f"batch job of {ROWS:,} rows of JSONL",
        f"{time.monotonic() - began:.1f} s",
        f"${estimated:.6f} estimated, ${paid:.6f} paid: {paid / estimated:.2f} times",
    )


def job_cancel(batch: BatchCaller) -> tuple[str, ...]:
    """Cancel a job midway, and time how long it goes on."""
    address = batch.put("batch/iris/bench/rows.csv", Rows(ROWS).csv())
    options = {"shard_bytes": SHARD_BYTES, "concurrency": 2}
    job = batch.start("iris", address, **options, **COLUMNS)
    until("two shards", lambda: (batch.job(job)["shards_done"] or 0) >= 2)
    began = time.monotonic()
    batch.client.delete(f"/batch/jobs/{job}").raise_for_status()
    ended = batch.ended(job)
    took = time.monotonic() - began
    return (
        "cancelled midway",
        f"{took:.1f} s",
        f"{ended['shards_done']} of {ended['shards']} shards done",
    )


def round_trips(caller: Caller) -> tuple[str, ...]:
    """Time a warm and idle fleet from the submit until the caller has the result."""
    caller.ready("pair", workers=2)
    took = []
    for number in range(ROUND_TRIPS + 10):
        began = time.monotonic()
        reply = caller.submit("light", asked(number, 0), prefer="wait=20")
        took.append((time.monotonic() - began) * 1e3)
        assert answered(reply.json()) == [2 * number + 1, 1]
    warm = took[10:]
    return "request to a warm, idle fleet", f"p50 {p50(warm):.0f} ms", f"p95 {p95(warm):.0f} ms"


def main() -> None:
    """Print the table."""
    table = Table(title="a laptop stage")
    for column in ("what", "took", "and"):
        table.add_column(column)
    with stage_of_its_own() as stage:
        headers = {"x-api-key": stage.api_key}
        with httpx.Client(base_url=stage.api_url, headers=headers, timeout=60) as client:
            batch, caller = BatchCaller(stage, client), Caller(stage, client)
            measures: list[Callable[[], tuple[str, ...]]] = [
                lambda: job_cost(batch),
                lambda: job_cancel(batch),
                lambda: round_trips(caller),
            ]
            for measure in measures:
                table.add_row(*measure())
    Console().print(table)


if __name__ == "__main__":
    main()
