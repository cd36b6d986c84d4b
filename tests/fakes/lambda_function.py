"""A function's process as Lambda starts it: ``awslambdaric`` over the layers that are built."""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.fakes.runtime_api import RuntimeApi

ROOT = Path(__file__).parents[2]
LAYERS = ROOT / "build" / "layers" / "local"
INFER, STREAM = ROOT / "functions" / "infer", ROOT / "functions" / "stream"
INFER_LAYERS = [LAYERS / "core" / "python", LAYERS / "inference" / "python"]
MEMORY_MIB = 1769
AGAIN_SECONDS = 1.0
"""A signal that comes just before the runtime waits for an event is seen only with the next one."""
SIGNALS = 30


def environment(
    api: RuntimeApi, layers: Sequence[Path], settings: Mapping[str, str]
) -> dict[str, str]:
    """Give a function's environment, and nothing of the caller's own."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "PYTHONPATH": os.pathsep.join(str(layer) for layer in layers),
        # A function's own folder is read-only there.
        "PYTHONDONTWRITEBYTECODE": "1",
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
        "AWS_LAMBDA_RUNTIME_API": api.address,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(MEMORY_MIB),
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        **settings,
    }


@contextmanager
def running(
    python: Path,
    api: RuntimeApi,
    folder: Path,
    layers: Sequence[Path],
    settings: Mapping[str, str],
    *options: str,
    entry: str = "handler.handler",
) -> Iterator[subprocess.Popen[str]]:
    """Run the entry point of a folder; it is ended with the context, if it has not ended."""
    for layer in layers:
        if not layer.exists():
            raise FileNotFoundError(f"{layer} is not built: run `make layers-local`")
    process = subprocess.Popen(
        [str(python), *options, "-m", "awslambdaric", entry],
        cwd=folder,
        env=environment(api, layers, settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def terminated(process: subprocess.Popen[str]) -> str:
    """Tell a function to end, and give what it printed."""
    for _ in range(SIGNALS):
        process.send_signal(signal.SIGTERM)
        try:
            return process.communicate(timeout=AGAIN_SECONDS)[0]
        except subprocess.TimeoutExpired:
            continue
    raise AssertionError(f"it has not ended after {SIGNALS} signals")
