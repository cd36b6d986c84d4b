"""Measure the way of a token from its birth in a fleet's worker to a caller of the HTTP API.

Run as ``python -m benchmarks.http_streams``. It starts a stage of its own, whose worker is
``benchmarks.paced_worker``, and stops it. A chat is asked for at the API, which sends the caller to
the URL of ``stream``, and is read there as it comes. All clocks are those of one machine.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from rich.console import Console
from rich.table import Table

from benchmarks import paced_worker
from benchmarks.paced_worker import PACE_SECONDS, read_births
from serval_cli import main as command_line
from serval_cli.local.state_folder import StateFolder
from serval_cli.local.toolchain import Toolchain
from tests.local.conftest import ROOT, LocalStage, serval
from tests.local.fleet_caller import p50, p95
from tests.local.fleet_models.bundles import write_fleet_tale

MOST_MS = 150
"""At the median."""
TOKENS, ROUNDS = 120, 3
FLEETS = "fleets: [{name: pair, instance_types: [c7i.large], minimum: 1}]\n"
ASKED = {
    "model": "fleet-tale",
    "messages": [{"role": "user", "content": "the cat"}],
    "max_tokens": TOKENS,
    "min_new_tokens": TOKENS,
    "stream": True,
}


def run_with_pace() -> None:
    """Be a ``serval`` whose workers keep the pace."""

    def paced(toolchain: Toolchain, role: str) -> tuple[str, ...]:
        return str(toolchain.worker_python), "-P", paced_worker.__file__, role

    Toolchain.worker = paced  # type: ignore[assignment,method-assign]
    command_line.main()


@contextmanager
def paced_stage() -> Iterator[LocalStage]:
    """Deploy a stage with a model that writes, publish it, and take the stage down."""
    with tempfile.TemporaryDirectory() as folder:
        state, models = Path(folder) / "state", Path(folder) / "models"
        bundle, fleets = models / "fleet-tale", Path(folder) / "fleets.yaml"
        models.mkdir()
        write_fleet_tale(bundle)
        fleets.write_text(FLEETS)
        words = ["deploy", "--models", str(models), "--fleets", str(fleets)]
        run = subprocess.run(
            [sys.executable, "-m", "benchmarks.http_streams", *words],
            env=os.environ | {"SERVAL_STATE": str(state), "SERVAL_STAGE": "local"},
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        assert run.returncode == 0, f"serval {' '.join(words)}:\n{run.stdout}{run.stderr}"
        try:
            serval(state, "push", str(bundle), "--wait")
            yield LocalStage.read(state)
        finally:
            serval(state, "local", "down")


def measure(client: httpx.Client, log: Path) -> list[float]:
    """Read a text; return the milliseconds from the birth of each token to its event."""
    written = log.stat().st_size
    came: dict[int, float] = {}
    with client.stream("POST", "/v1/chat/completions", json=ASKED) as reply:
        reply.raise_for_status()
        assert reply.history, "the API sends its callers to where answers stream"
        for line in reply.iter_lines():
            if line.startswith("id: "):
                came[int(line.removeprefix("id: "))] = time.time()
    with log.open() as told:
        told.seek(written)
        born = dict(read_births(told))
    return [(moment - born[number]) * 1e3 for number, moment in came.items()]


def main() -> None:
    """Print the table."""
    table = Table(
        title=f"from a token's birth to its caller, {1 / PACE_SECONDS:.0f} tokens a second "
        f"(median: {MOST_MS} ms or less)"
    )
    for column in ("text", "events", "p50 ms", "p95 ms"):
        table.add_column(column, justify="right")
    with paced_stage() as stage:
        [log] = StateFolder(stage.state).logs.glob("worker-*.log")
        headers = {"x-api-key": stage.api_key}
        with httpx.Client(
            base_url=stage.api_url,
            headers=headers,
            timeout=60,
            follow_redirects=True,
            trust_env=False,
        ) as client:
            for text in range(ROUNDS + 1):
                took = measure(client, log)
                if text:  # the first one loads the version
                    verdict = "PASS" if p50(took) <= MOST_MS else "over"
                    cells = f"{len(took)}", f"{p50(took):.0f} {verdict}", f"{p95(took):.0f}"
                    table.add_row(str(text), *cells)
    Console().print(table)


if __name__ == "__main__":
    run_with_pace() if sys.argv[1:] else main()
