"""Exact cuts of a CSV file, computed from independent scans of its ranges.

A newline ends a record unless it is in quotes, and whether a range begins in quotes depends on
every quote before it. So a scan of a range gives its answers for both cases, and the parity of its
quotes. Going through the ranges in order, the exclusive or of the parities before each decides
which case is true. The format is RFC 4180 in UTF-8: quoted fields begin and end with a quote, a
quote inside them is doubled, and records end in LF or CRLF.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from serval.models.tensor import Array

QUOTE, NEWLINE, RETURN = b'"'[0], b"\n"[0], b"\r"[0]


class BareQuote(Exception):
    """A quote stands where RFC 4180 allows none, so records cannot be told apart from there on."""

    def __init__(self, offset: int, problem: str) -> None:
        super().__init__(
            f"byte {offset}: {problem}: a field with a quote in it must be in quotes, with the "
            "quote doubled"
        )
        self.offset = offset


@dataclass(frozen=True, slots=True)
class Case:
    """A range, assuming that it begins inside or outside of quotes; offsets in the file."""

    first_start: int | None = None
    """First byte of the range at which a record begins."""
    newlines: int = 0
    """Newlines that end a record."""
    fault: int | None = None
    """First misplaced quote."""


@dataclass(frozen=True, slots=True)
class RangeScan:
    """Result of scanning one range."""

    start: int
    end: int
    odd: bool
    """Whether it has an odd number of quotes."""
    outside: Case
    """If the range begins outside of quotes."""
    inside: Case
    """If the range begins in quotes."""
    last_quote: int | None

    def to_json(self) -> dict[str, Any]:
        """Return the scan as one step hands it to the next."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "RangeScan":
        """Read what ``to_json`` returned."""
        cases = {name: Case(**value[name]) for name in ("outside", "inside")}
        return cls(**{**value, **cases})


@dataclass(frozen=True, slots=True)
class CsvCut:
    """One shard of a CSV file: whole records from ``start`` up to ``end``."""

    start: int
    end: int
    first_record: int
    """Number of its first record in the file, from 0, without the header."""


def cut_ranges(scans: Sequence[RangeScan], *, header: bool) -> list[CsvCut]:
    """Cut a file at the first record of each range; ``scans`` are all of its ranges, in order.

    Raises
    ------
    BareQuote
        For the first quote that makes records impossible to tell apart.
    """
    starts: list[tuple[int, int]] = []
    records = -int(header)
    for scan, case in _resolve_cases(scans):
        if case.first_start is not None:
            # After the range's first newline, unless a record begins with the range itself.
            number = records + int(case.first_start > scan.start)
            starts.append((case.first_start, max(0, number)))
        records += case.newlines
    ends = [start for start, _ in starts[1:]] + [scans[-1].end if scans else 0]
    return [
        CsvCut(start, end, number)
        for (start, number), end in zip(starts, ends, strict=True)
        if end > start
    ]


def _resolve_cases(scans: Iterable[RangeScan]) -> Iterator[tuple[RangeScan, Case]]:
    """Yield each scan with its true case, by the parity of all quotes before it."""
    in_quotes = False
    last_quote = 0
    for scan in scans:
        case = scan.inside if in_quotes else scan.outside
        if case.fault is not None:
            raise BareQuote(case.fault, "a bare quote")
        yield scan, case
        in_quotes ^= scan.odd
        last_quote = last_quote if scan.last_quote is None else scan.last_quote
    if in_quotes:
        raise BareQuote(last_quote, "a quote that is never closed")


@dataclass(slots=True)
class _Tally:
    """One case during the scan."""

    in_quotes: bool
    first_start: int | None = None
    newlines: int = 0
    fault: int | None = None

    def case(self) -> Case:
        return Case(self.first_start, self.newlines, self.fault)


@dataclass(slots=True)
class Scanner:
    """Scans one range block by block, in memory proportional to a block."""

    start: int
    delimiter: str = ","
    before: int | None = None
    """Byte before the range; None at the start of the file or of its text after a mark."""
    _at: int = 0
    _held: bytes = b""
    _parity: int = 0
    _last_quote: int | None = None
    _cases: tuple[_Tally, _Tally] = field(
        default_factory=lambda: (_Tally(in_quotes=False), _Tally(in_quotes=True))
    )

    def __post_init__(self) -> None:
        self._at = self.start
        if self.before in (None, NEWLINE):
            self._cases[0].first_start = self.start

    @property
    def fault(self) -> int | None:
        """First misplaced quote found so far, if the range began outside of quotes."""
        return self._cases[0].fault

    def feed(self, block: bytes) -> None:
        """Scan the next bytes of the range."""
        if not block:
            return
        known = self._held + block
        self._look(known[:-1], known[-1])
        self._held = known[-1:]

    def finish(self, after: int | None) -> RangeScan:
        """Return the result; ``after`` is the byte after the range, None at the end of the file."""
        if self._held:
            self._look(self._held, after)
        outside, inside = (tally.case() for tally in self._cases)
        # A record that would begin where the range ends belongs to the next range.
        outside, inside = (_without_start_at(case, self._at) for case in (outside, inside))
        odd = self._parity == 1
        return RangeScan(self.start, self._at, odd, outside, inside, self._last_quote)

    def _look(self, data: bytes, after: int | None) -> None:
        """Scan bytes whose neighbours on both sides are known."""
        if not data:
            return
        block = np.frombuffer(data, np.uint8)
        quotes = np.flatnonzero(block == QUOTE)
        newlines = np.flatnonzero(block == NEWLINE)
        quotes_before = np.searchsorted(quotes, newlines) + self._parity
        for tally in self._cases:
            self._count(tally, newlines, quotes_before)
            if tally.fault is None and len(quotes):
                tally.fault = self._fault(tally, block, quotes, after)
        if len(quotes):
            self._last_quote = self._at + int(quotes[-1])
        self._parity = (self._parity + len(quotes)) % 2
        self._at += len(data)
        self.before = data[-1]

    def _count(self, tally: _Tally, newlines: Array, quotes_before: Array) -> None:
        ending = newlines[(quotes_before + tally.in_quotes) % 2 == 0]
        tally.newlines += len(ending)
        if tally.first_start is None and len(ending):
            tally.first_start = self._at + int(ending[0]) + 1

    def _fault(self, tally: _Tally, block: Array, quotes: Array, after: int | None) -> int | None:
        """Return the first quote that neither opens, closes nor doubles one correctly."""
        delimiter = self.delimiter.encode()[0]
        first = QUOTE if self.before is None else self.before
        last = QUOTE if after is None else after
        around = np.concatenate(([first], block, [last])).astype(np.uint8)
        left, right = around[quotes], around[quotes + 2]
        closing = (np.arange(len(quotes)) + self._parity + tally.in_quotes) % 2 == 1
        fits_left = np.isin(left, (delimiter, NEWLINE, QUOTE))
        fits_right = np.isin(right, (delimiter, NEWLINE, RETURN, QUOTE))
        bare = np.flatnonzero(~np.where(closing, fits_right, fits_left))
        return self._at + int(quotes[bare[0]]) if len(bare) else None


def _without_start_at(case: Case, end: int) -> Case:
    if case.first_start is not None and case.first_start >= end:
        return Case(None, case.newlines, case.fault)
    return case


def count_outside_quotes(view: Array, quotes: Array, byte: int) -> int:
    """Count a byte outside of quotes; the block begins outside of quotes."""
    found = view == byte
    every = int(np.count_nonzero(found))
    if not len(quotes) or not every:
        return every
    between = np.add.reduceat(found.view(np.uint8), quotes, dtype=np.uint32)
    return every - int(between[::2].sum())


def returns_end_records(view: Array) -> bool:
    """Return whether each carriage return is followed by a newline or ends the block.

    polars drops other carriage returns at the end of a field, and keeps them within one.
    """
    returns = view == RETURN
    alone = returns[:-1] & (view[1:] != NEWLINE)
    return not alone.any()


def follows_rfc_4180(view: Array, quotes: Array, delimiter: int) -> bool:
    """Return whether quotes follow RFC 4180, and no quoted field contains a newline."""
    if not len(quotes):
        return True
    if len(quotes) % 2 or count_outside_quotes(view, quotes, NEWLINE) != np.count_nonzero(
        view == NEWLINE
    ):
        return False
    around = np.concatenate(([NEWLINE], view, [NEWLINE])).astype(np.uint8)
    opening, closing = quotes[::2], quotes[1::2]
    left = np.isin(around[opening], (delimiter, NEWLINE, QUOTE))
    right = np.isin(around[closing + 2], (delimiter, NEWLINE, RETURN, QUOTE))
    return bool(left.all() and right.all())
