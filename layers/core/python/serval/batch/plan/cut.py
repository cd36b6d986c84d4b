"""``scan`` and ``cut``: read the ranges of a CSV file, and cut it into shards of whole records.

Each range is scanned alone, and the cuts follow from the results of all.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from serval.batch.input.csv.cuts import BareQuote, RangeScan, Scanner, cut_ranges
from serval.batch.input.records import nul_refusal
from serval.batch.job.job import BatchJob
from serval.batch.job.keys import Address, JobKeys, read_address
from serval.batch.job.layout import (
    Layout,
    OutlineEntry,
    RangeItem,
    ScannedFile,
    ShardItem,
    read_outline,
    to_lines,
)
from serval.batch.job.outcomes import cancelled_outcome, refused_outcome
from serval.batch.job.ports import BatchObjects, JobStore
from serval.batch.plan.pack import number_shards
from serval.batch.plan.plan import AT_ONCE
from serval.batch.plan.release import ReleaseShards
from serval.errors import BatchJobNotFound, BatchRefused

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


@dataclass(frozen=True, slots=True)
class ScanResults:
    """What one scan has stored."""

    scans: list[RangeScan]
    nul: int | None
    ms: int


@dataclass(frozen=True, slots=True)
class Cut:
    """Cuts the scanned files of a job."""

    release_shards: ReleaseShards
    timer: Callable[[], float] = time.perf_counter

    def cut(self, job_id: str) -> dict[str, Any]:
        """Cut the files of a job; the outcomes are those of ``plan``, without ``scan``."""
        started = self.timer()
        job = self.release_shards.find(job_id)
        if job.stopping:
            return cancelled_outcome(job)
        output, keys = self._places(job)
        try:
            layout = Layout.from_json(self._read(Address(output.bucket, keys.plan)))
            outline = list(
                read_outline(
                    self.release_shards.objects.get(Address(output.bucket, keys.outline)) or b""
                )
            )
            found = self._read_scans(output, keys, outline)
            items = collect_shards(job.id, outline, found, header=layout.header)
            estimate = self.release_shards.estimate(job)
        except BatchRefused as reason:
            return refused_outcome(job, str(reason))
        if len(outline) == 1:
            scans = [scan for each in found for scan in each.scans]
            rows = count_records(scans, header=layout.header)
            estimate = replace(estimate, rows=rows, exact=True)
            self.release_shards.keep(job, estimate)
        self.release_shards.objects.put(Address(output.bucket, keys.shards), to_lines(items))
        scan_ms = sum(each.ms for each in found)
        return self.release_shards.release(job, items, estimate, started, len(found), scan_ms)

    def _read_scans(
        self, output: Address, keys: JobKeys, outline: Sequence[OutlineEntry]
    ) -> list[ScanResults]:
        ranges = sum(entry.ranges for entry in outline if isinstance(entry, ScannedFile))
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(lambda n: self._read_scan(output, keys.scan(n)), range(ranges)))

    def _read_scan(self, output: Address, key: str) -> ScanResults:
        value = self._read(Address(output.bucket, key))
        scans = [RangeScan.from_json(scan) for scan in value["scans"]]
        return ScanResults(scans, value["nul"], value["ms"])

    def _read(self, address: Address) -> Any:
        body = self.release_shards.objects.get(address)
        if body is None:
            raise BatchRefused(f"{address} is gone: retry the job")
        return json.loads(body)

    def _places(self, job: BatchJob) -> tuple[Address, JobKeys]:
        output = read_address(job.output, "output")
        return output, JobKeys(output.key)


def collect_shards(
    job: str, outline: Sequence[OutlineEntry], found: Sequence[ScanResults], *, header: bool
) -> list[ShardItem]:
    """Return all shards of a job, numbered."""
    items: list[ShardItem] = []
    for entry in outline:
        if isinstance(entry, ShardItem):
            items.append(entry)
        else:
            own = found[entry.first_range : entry.first_range + entry.ranges]
            items += cut_file(job, entry, own, header=header)
    return number_shards(items)


def cut_file(
    job: str, file: ScannedFile, found: Sequence[ScanResults], *, header: bool
) -> Iterator[ShardItem]:
    """Yield the shards of a file, still without numbers.

    Raises
    ------
    BatchRefused
        If its records cannot be told apart, naming the byte.
    """
    where = file.source.address
    nul = [each.nul for each in found if each.nul is not None]
    if nul:
        raise BatchRefused(f"{where}: {nul_refusal(nul[0])}")
    try:
        made = cut_ranges([scan for each in found for scan in each.scans], header=header)
    except BareQuote as problem:
        raise BatchRefused(f"{where}: {problem}") from None
    for cut in made:
        head = header and cut.start == file.mark
        yield ShardItem(job, 0, file.file, cut.start, cut.end, cut.first_record, head, file.source)


def count_records(scans: Sequence[RangeScan], *, header: bool) -> int:
    """Count the records of a file by its newlines; a last record may have none."""
    in_quotes, records = False, -int(header)
    for scan in scans:
        case = scan.inside if in_quotes else scan.outside
        records += case.newlines
        in_quotes ^= scan.odd
    return max(0, records)
