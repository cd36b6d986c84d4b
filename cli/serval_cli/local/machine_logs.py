"""Read the logs of processes that stand for machines: fleet workers, their servers, endpoints."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from serval_cli.local.state_folder import StateFolder

POLL_SECONDS = 0.5
KINDS = ("worker-*", "server-worker-*", "endpoint-*")


def machine_logs(folder: StateFolder) -> dict[str, Path]:
    """Find the logs of the stage's workers, servers and endpoints, by name."""
    found = (path for kind in KINDS for path in folder.logs.glob(f"{kind}.log"))
    return {path.stem: path for path in sorted(found)}


def file_lines(
    log: Path, *, follow: bool, again: Callable[[float], None] = time.sleep
) -> Iterator[dict[str, str]]:
    """Yield a log's lines in order, endlessly with ``follow``."""
    with log.open(errors="replace") as file:
        while True:
            for line in file:
                yield {"message": line}
            if not follow:
                return
            again(POLL_SECONDS)
