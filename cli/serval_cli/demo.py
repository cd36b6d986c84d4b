"""``make demo``: deploy, publish and call a model on the local platform.

It types the commands a user would, on a stage of its own under ``build/demo``, and leaves nothing
running.
"""

import json
import os
import shlex
import statistics
import subprocess
import sys
import time
from pathlib import Path

import httpx
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[2]
STATE = ROOT / "build" / "demo"
REQUEST = {
    "inputs": [
        {
            "name": "measurements",
            "datatype": "FP32",
            "shape": [2, 4],
            "data": [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]],
        }
    ]
}
CALLS = 300
console = Console(highlight=False)


def main() -> None:
    """Deploy, publish, call, and take everything down."""
    started = time.monotonic()
    try:
        serval("local", "up", "--detach")
        serval("push", "models/iris", "--wait")
        call()
        serval("describe", "iris")
    finally:
        serval("local", "down")
    console.print(
        f"\nDone in {time.monotonic() - started:.0f} s after the set-up; nothing is left running.\n"
    )
    console.print("Try next:")
    console.print("  source .venv/bin/activate")
    console.print("  serval local up --detach            a stage to play with")
    console.print("  serval use local                    work on it, and not on a stage in AWS")
    console.print("  serval push models/digits --wait    a model with a function of its own")
    console.print("  serval init my-model --from FILE    a bundle from your own ONNX file")
    console.print("  make deploy                         the same app in your AWS account")


def serval(*words: str) -> None:
    """Run a command of the CLI, printing it first."""
    console.print(f"\n[bold]$ serval {shlex.join(words)}[/bold]")
    program = Path(sys.executable).with_name("serval")
    environment = os.environ | {"SERVAL_STATE": str(STATE), "SERVAL_STAGE": "local"}
    subprocess.run([program, *words], cwd=ROOT, env=environment, check=True)


def call() -> None:
    """Send inference requests through API Gateway with an API key."""
    stage = json.loads((STATE / "local.json").read_text())
    url = f"{stage['api_url']}/v2/models/iris/infer"
    body = json.dumps(REQUEST)
    console.print(
        f"\n[bold]$ curl -H 'x-api-key: {stage['api_key'][:8]}…' {url} -d '{body}'[/bold]"
    )
    with httpx.Client(headers={"x-api-key": stage["api_key"]}, timeout=60) as client:
        first = client.post(url, content=body)
        first.raise_for_status()
        console.print_json(first.text)
        console.print(
            f"version {first.headers['serval-model-version']}; "
            f"server-timing: {first.headers['server-timing']}"
        )
        samples = [time_request(client, url, body) for _ in range(CALLS)]
    table = Table(title=f"{CALLS} requests, one after another, on this machine")
    for column in ("milliseconds", "p50", "p95", "p99"):
        table.add_column(column, justify="left" if column == "milliseconds" else "right")
    for name, values in (
        ("round trip", [total for total, _ in samples]),
        ("of it, the model", [infer for _, infer in samples]),
    ):
        cuts = statistics.quantiles(values, n=100)
        table.add_row(name, *(f"{cuts[percent - 1]:.2f}" for percent in (50, 95, 99)))
    console.print(table)


def time_request(client: httpx.Client, url: str, body: str) -> tuple[float, float]:
    """Send one request; return the milliseconds of the round trip and of the model within it."""
    started = time.perf_counter()
    reply = client.post(url, content=body)
    took = (time.perf_counter() - started) * 1e3
    reply.raise_for_status()
    timings = dict(
        part.strip().split(";dur=") for part in reply.headers["server-timing"].split(",")
    )
    return took, float(timings["infer"])


if __name__ == "__main__":
    main()
