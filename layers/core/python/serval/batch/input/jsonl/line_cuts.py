"""Cuts of a file of lines: the first newline after a boundary."""

from collections.abc import Callable, Iterable, Iterator

PROBE_BYTES = 65_536
LINE_LIMIT_BYTES = 16 * 2**20

ReadRange = Callable[[int, int], bytes]
"""Returns the bytes between two offsets; fewer at the end of the file."""


class LineTooLong(Exception):
    """A line is longer than the limit."""

    def __init__(self, offset: int, limit_bytes: int) -> None:
        super().__init__(f"byte {offset}: a line of more than {limit_bytes} bytes begins before it")
        self.offset = offset


def line_cuts(
    size: int, boundaries: Iterable[int], read: ReadRange, start: int = 0
) -> list[tuple[int, int]]:
    """Give the ranges of whole lines that a file of ``size`` bytes falls into.

    Parameters
    ----------
    boundaries
        Where cuts are wished, ascending; each moves to the next begin of a line.
    start
        First byte of the first line, behind a byte order mark.

    Raises
    ------
    LineTooLong
        If no line begins within 16 MiB behind a boundary.
    """
    starts = [start]
    for boundary in boundaries:
        found = next_line(size, boundary, read) if boundary > starts[-1] else size
        if starts[-1] < found < size:
            starts.append(found)
    ends = [*starts[1:], size]
    return [(first, end) for first, end in zip(starts, ends, strict=True) if end > first]


def next_line(size: int, boundary: int, read: ReadRange) -> int:
    """Return where the first line at or after a boundary begins; the file's size if none does."""
    for offset in _probes(boundary - 1, size):
        block = read(offset, min(offset + PROBE_BYTES, size))
        if (newline := block.find(b"\n")) >= 0:
            return offset + newline + 1
        if offset + PROBE_BYTES - boundary > LINE_LIMIT_BYTES:
            raise LineTooLong(boundary, LINE_LIMIT_BYTES)
    return size


def _probes(offset: int, size: int) -> Iterator[int]:
    yield from range(max(0, offset), size, PROBE_BYTES)
