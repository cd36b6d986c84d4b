"""Mutated inputs by the thousand through a parser, in a process of its own that may die of one.

``python -m tests.fakes.corpus NUMBERS PARSER FIRST END`` feeds inputs and prints what became of
them; ``feed_all`` starts such processes until every input was fed.
"""

import json
import os
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.fakes.foreign_parsers import PARSERS
from tests.fakes.mutations import mutated

ROOT = Path(__file__).parents[2]
MOST_MEMORY_BYTES = 6 * 2**30
"""Address space: an allocation beyond it fails at once, and does not take the machine's memory."""
NUMBERS = b"%08d %08d %08d"
"""The input that is fed, and how many were taken and refused before it."""
WARM = 100
"""Inputs after which memory is looked at for the first time."""


@dataclass
class Figures:
    """What became of the inputs of one parser."""

    accepted: int = 0
    refused: int = 0
    foreign: list[str] = field(default_factory=list)
    """Exceptions that are not ours, each with its input's number."""
    died: list[str] = field(default_factory=list)
    """How the process died, where it did."""
    growth_mib: float = 0.0
    """Of the most memory that the process has had, from its first inputs to its last."""
    seconds: float = 0.0
    slowest_seconds: float = 0.0

    @property
    def inputs(self) -> int:
        return self.accepted + self.refused + len(self.foreign) + len(self.died)

    def add(self, told: Mapping[str, Any]) -> None:
        self.accepted += told["accepted"]
        self.refused += told["refused"]
        self.foreign += told["foreign"]
        self.growth_mib = max(self.growth_mib, told["growth_mib"])
        self.slowest_seconds = max(self.slowest_seconds, told["slowest_seconds"])


def feed_all(name: str, count: int, folder: Path) -> Figures:
    """Feed inputs 0 to ``count``; a process that dies of one is followed by another."""
    figures, first, begun = Figures(), 0, time.monotonic()
    numbers = folder / "numbers"
    while first < count:
        numbers.write_bytes(NUMBERS % (first, 0, 0))
        run = subprocess.run(
            [sys.executable, "-m", "tests.fakes.corpus", numbers, name, str(first), str(count)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        if run.returncode == 0:
            figures.add(json.loads(run.stdout.splitlines()[-1]))
            break
        deadly, accepted, refused = map(int, numbers.read_bytes().split())
        said = next(iter(run.stderr.splitlines()), "")
        figures.died.append(f"{deadly}: exit {run.returncode}: {said:.200}")
        figures.accepted += accepted
        figures.refused += refused
        first = deadly + 1
    figures.seconds = time.monotonic() - begun
    return figures


def feed(name: str, first: int, end: int, numbers: int) -> dict[str, Any]:
    parser = PARSERS[name]
    seeds = parser.seeds()
    outcomes: Counter[str] = Counter()
    foreign: list[str] = []
    slowest, warm = 0.0, 0
    for number in range(first, end):
        told = NUMBERS % (number, outcomes["accepted"], outcomes["refused"])
        os.pwrite(numbers, told, 0)
        data = mutated(seeds, number)
        started = time.monotonic()
        try:
            parser.feed(data)
            outcomes["accepted"] += 1
        except parser.refusals:
            outcomes["refused"] += 1
        except BaseException as error:
            foreign.append(f"{number}: {type(error).__name__}: {str(error)[:200]}")
        slowest = max(slowest, time.monotonic() - started)
        if number == first + WARM:
            warm = peak_kib()
    return {
        "accepted": outcomes["accepted"],
        "refused": outcomes["refused"],
        "foreign": foreign,
        "growth_mib": (peak_kib() - warm) / 1024 if warm else 0.0,
        "slowest_seconds": round(slowest, 3),
    }


def peak_kib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY_BYTES, MOST_MEMORY_BYTES))
    path, parser_name, begin, behind = sys.argv[1:]
    file = os.open(path, os.O_WRONLY)
    print(json.dumps(feed(parser_name, int(begin), int(behind), file)))
