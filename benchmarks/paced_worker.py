"""A fleet's worker that writes 30 tokens a second, and prints when each is born.

Run as ``python -P benchmarks/paced_worker.py work`` (``-P``: a module beside it is named ``http``)
with the environment of a worker, to which it adds nothing.
"""

import os
import runpy
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from serval.worker.streams.text import GeneratedPieces, ToldPieces

PACE_SECONDS = 1 / 30
BORN = "born"
MAIN = Path(__file__).parents[1] / "functions" / "worker" / "main.py"


def read_births(lines: Iterable[str]) -> Iterator[tuple[int, float]]:
    """Read each token's number, and the time of its birth, from what the worker has printed."""
    for line in lines:
        if line.startswith(BORN):
            _, number, moment = line.split()
            yield int(number), float(moment)


def keep_pace(kind: type[Any]) -> None:
    """Have texts of a kind written at the pace."""
    write = kind.pieces

    def paced(text: Any) -> Iterator[Any]:
        due = time.monotonic()
        for piece in write(text):
            due += PACE_SECONDS
            time.sleep(max(0.0, due - time.monotonic()))
            # At once: the worker's other threads print, too.
            os.write(1, f"\n{BORN} {piece.number} {time.time()}\n".encode())
            yield piece

    kind.pieces = paced


if __name__ == "__main__":
    keep_pace(GeneratedPieces)
    keep_pace(ToldPieces)
    runpy.run_path(str(MAIN), run_name="__main__")
