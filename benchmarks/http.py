"""Measure the latency of realtime inference over HTTP on the local platform.

Run as ``python -m benchmarks.http``. It starts a stage of its own, publishes iris, and stops the
stage. Client, emulator and functions share the machine, so the figures say nothing about AWS:
compare only those of one run.
"""

import concurrent.futures
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
import numpy as np
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[1]
BODY = json.dumps(
    {
        "inputs": [
            {
                "name": "measurements",
                "shape": [1, 4],
                "datatype": "FP32",
                "data": [5.1, 3.5, 1.4, 0.2],
            }
        ]
    }
)
SECONDS = 10


def call_until(url: str, key: str, seconds: float) -> list[float]:
    """Call until time is up; return the seconds of each request."""
    took: list[float] = []
    with httpx.Client(headers={"x-api-key": key}, timeout=60) as client:
        deadline = time.perf_counter() + seconds
        while (started := time.perf_counter()) < deadline:
            client.post(url, content=BODY).raise_for_status()
            took.append(time.perf_counter() - started)
    return took


def measure(url: str, key: str, clients: int, seconds: float) -> list[float]:
    """Call from many clients at once."""
    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        asked = [pool.submit(call_until, url, key, seconds) for _ in range(clients)]
        return [took for future in asked for took in future.result()]


def main() -> None:
    """Print the table."""
    table = Table(title=f"iris over HTTP on the embedded platform, {SECONDS} s each")
    for column in ("clients", "slowest while warming up", "requests/s", "p50 ms", "p99 ms"):
        table.add_column(column, justify="right")
    with tempfile.TemporaryDirectory() as state:
        environment = os.environ | {"SERVAL_STATE": state, "SERVAL_STAGE": "local"}

        def serval(*words: str) -> None:
            program = [sys.executable, "-m", "serval_cli.main", *words]
            subprocess.run(program, cwd=ROOT, env=environment, check=True, stdout=sys.stderr)

        try:
            serval("local", "up", "--detach")
            serval("push", "models/iris", "--wait")
            stage = json.loads((Path(state) / "local.json").read_text())
            url, key = f"{stage['api_url']}/v2/models/iris/infer", stage["api_key"]
            for clients in (1, 8, 50):
                warm = measure(url, key, clients, 2)
                took = measure(url, key, clients, SECONDS)
                p50, p99 = np.percentile(took, [50, 99]) * 1e3
                table.add_row(
                    str(clients),
                    f"{max(warm):.2f} s",
                    f"{len(took) / SECONDS:.0f}",
                    f"{p50:.1f}",
                    f"{p99:.1f}",
                )
        finally:
            serval("local", "down")
    Console().print(table)


if __name__ == "__main__":
    main()
