"""``scan``: read one range of a CSV file and store what its cuts can be computed from."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from serval.batch.input.csv.cuts import RangeScan, Scanner
from serval.batch.job.keys import Address, JobKeys, read_address
from serval.batch.job.layout import RangeItem
from serval.batch.job.outcomes import cancelled_outcome
from serval.batch.job.ports import BatchObjects, JobStore
from serval.errors import BatchJobNotFound

PIECE_BYTES = 4 * 2**20


@dataclass(frozen=True, slots=True)
class Scan:
    """Scans ranges of CSV files."""

    objects: BatchObjects
    store: JobStore
    timer: Callable[[], float] = time.perf_counter

    def scan(self, item: RangeItem) -> dict[str, Any]:
        """Scan a range and store the result beside the plan."""
        started = self.timer()
        job = self.store.find(item.job)
        if job is None:
            raise BatchJobNotFound(item.job)
        if job.stopping:
            return cancelled_outcome(job)
        scans, nul = scan_range(self.objects, item)
        output = read_address(job.output, "output")
        found = {
            "ms": round((self.timer() - started) * 1e3),
            "nul": nul,
            "scans": [scan.to_json() for scan in scans],
        }
        key = JobKeys(output.key).scan(item.number)
        self.objects.put(Address(output.bucket, key), json.dumps(found).encode())
        return {}


def scan_range(objects: BatchObjects, item: RangeItem) -> tuple[list[RangeScan], int | None]:
    """Scan a range in steps; return the scans and the offset of the first NUL."""
    scans: list[RangeScan] = []
    nul: int | None = None
    scanner = Scanner(item.start, item.delimiter, _before(objects, item))
    at, last = item.start, -1
    for piece in _pieces(objects, item):
        if nul is None and (found := piece.find(b"\0")) >= 0:
            nul = at + found
        boundary = item.start + (len(scans) + 1) * item.step
        if at == boundary:
            scans.append(scanner.finish(piece[0]))
            scanner = Scanner(at, item.delimiter, last)
        scanner.feed(piece)
        at, last = at + len(piece), piece[-1]
    scans.append(scanner.finish(_after(objects, item)))
    return scans, nul


def _pieces(objects: BatchObjects, item: RangeItem) -> Iterator[bytes]:
    """Yield the range's bytes, split where a step ends."""
    at = item.start
    for piece in objects.read(item.source, item.start, item.end, PIECE_BYTES):
        rest = memoryview(piece)
        while rest:
            room = item.step - (at - item.start) % item.step
            yield bytes(rest[:room])
            at += min(room, len(rest))
            rest = rest[room:]


def _before(objects: BatchObjects, item: RangeItem) -> int | None:
    """Return the byte before the range; None where the text begins."""
    if item.start == item.mark:
        return None
    return b"".join(objects.read(item.source, item.start - 1, item.start, 1))[0]


def _after(objects: BatchObjects, item: RangeItem) -> int | None:
    if item.end >= item.source.size_bytes:
        return None
    return b"".join(objects.read(item.source, item.end, item.end + 1, 1))[0]
