"""Mutated inputs by the thousand through a parser, in a process that may die of one.

``python -m tests.fakes.corpus NUMBERS`` reads lines of ``PARSER FIRST END``, feeds these inputs and
prints what became of them; ``feed_all`` goes on behind an input that such a process died of.
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
from typing import Any, Self

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


class Feeder:
    """A process that feeds one parser after another; one that died is followed by another."""

    def __init__(self, folder: Path) -> None:
        self.numbers, self.log = folder / "numbers", folder / "log"
        self.process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def feed(self, name: str, first: int, end: int) -> dict[str, Any] | None:
        """Feed inputs to a parser; nothing comes back if the process died of one."""
        self.numbers.write_bytes(NUMBERS % (first, 0, 0))
        process = self.process or self.start()
        assert process.stdin is not None
        assert process.stdout is not None
        print(name, first, end, file=process.stdin, flush=True)
        line = process.stdout.readline()
        return dict(json.loads(line)) if line else None

    def start(self) -> "subprocess.Popen[str]":
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.fakes.corpus", self.numbers],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        return self.process

    def end(self) -> str:
        """Wait for the process to end, now that nothing more comes; return how it did."""
        if (process := self.process) is None:
            return ""
        process.communicate()
        self.process = None
        said = next(iter(self.log.read_text(errors="replace").splitlines()), "")
        return f"exit {process.returncode}: {said:.200}"


def feed_all(name: str, count: int, feeder: Feeder) -> Figures:
    """Feed inputs 0 to ``count``; behind one that the process died of, another goes on."""
    figures, first, begun = Figures(), 0, time.monotonic()
    while first < count:
        if told := feeder.feed(name, first, count):
            figures.add(told)
            break
        deadly, accepted, refused = map(int, feeder.numbers.read_bytes().split())
        figures.died.append(f"{deadly}: {feeder.end()}")
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
    file = os.open(sys.argv[1], os.O_WRONLY)
    # Parsers that print do it elsewhere.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    for line in sys.stdin:
        asked = line.rsplit(maxsplit=2)
        print(
            json.dumps(feed(asked[0], int(asked[1]), int(asked[2]), file)), file=answers, flush=True
        )
