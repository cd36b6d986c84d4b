"""JSON files that are one array of records, read as JSONL: each element becomes a line.

A comma between two elements becomes a newline, and a newline within an element a space. So each
byte keeps its offset, and elements are treated as lines. Files with one value over several lines
that are no such array are refused.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import orjson

from serval.errors import BatchRefused
from serval.foreign import refusing
from serval.models.signature import TensorSpec
from serval.models.tensor import Array

BLANK = b" \t\r\n"
ESCAPE = re.compile(rb"\\[\s\S]")
QUOTE, COMMA, CLOSED = b'",]'
STEPS = np.array([(byte in b"[{") - (byte in b"]}") for byte in range(256)], np.int8)
"""Change of the nesting depth at each byte."""
FILLING = np.array([byte not in BLANK for byte in range(256)])
"""Whether each byte is part of an element, that is, not blank."""
NEWLINE, RETURN, SPACE = b"\n"[0], b"\r"[0], b" "[0]
GOING_ON = b"[{,:", b",]}:"
"""A newline after, or before, one of these is within a value."""
OPENED = re.compile(rb"[\s\[]*")


def is_array(text: bytes, inputs: Sequence[TensorSpec]) -> bool:
    """Return whether a text is an array of records, by its start, rather than a record a line."""
    opened = OPENED.match(text)
    begin = opened.group() if opened else b""
    brackets, then = begin.count(b"["), text[len(begin) : len(begin) + 1]
    # A bare row has as many brackets as its input has extents beside the rows.
    rank = len(inputs[0].shape) - 1 if len(inputs) == 1 else 0
    if not brackets or not (then == b"{" or (brackets > rank and (rank or then == b"]"))):
        return False
    first, _, rest = text.lstrip(BLANK).partition(b"\n")
    last, after = first.rstrip(BLANK)[-1:], rest.lstrip(BLANK)[:1]
    return not after or last in GOING_ON[0] or after in GOING_ON[1]


def element_lines(pieces: Iterable[bytes], at: int) -> Iterator[bytes]:
    """Write the elements of an array, which begins at this offset of the file, as lines.

    Raises
    ------
    BatchRefused
        If the ends of its elements cannot be found, naming the byte.
    """
    elements = Elements(at)
    for piece in pieces:
        yield elements.lines(piece)
    elements.finish()


def first_lines(text: bytes, at: int, *, whole: bool) -> bytes:
    """Write the start of an array as lines; ``whole``: the text must be the complete array."""
    elements = Elements(at)
    lines = elements.lines(text)
    if whole:
        elements.finish()
    return lines


def check_alike(text: bytes, inputs: Sequence[TensorSpec], *, array: bool) -> None:
    """Refuse a file that is an array where the first one is not, or the other way round."""
    if array and text.lstrip(BLANK)[:1] not in (b"[", b""):
        raise BatchRefused("it is no JSON array of records, as the first file is")
    if not array and is_array(text, inputs):
        raise BatchRefused("it is one JSON array of records; the first file has a record a line")


@dataclass(slots=True)
class Elements:
    """Splits an array into its elements, piece by piece."""

    at: int
    """Offset of the next piece in the file."""
    depth: int = 0
    begun: bool = False
    ended: bool = False
    found: int = 0
    """Elements so far that were followed by a comma."""
    inside: bool = False
    """Whether the next piece begins within a string."""
    escaped: bool = False
    """Whether the next piece begins after a backslash."""
    filled: bool = False
    """Whether an element has begun since the last comma."""

    def lines(self, piece: bytes) -> bytes:
        """Rewrite a piece as lines of the same length, without what follows the array."""
        if self.ended or not piece:
            self._check_behind(piece, 0)
            self.at += len(piece)
            return b""
        piece = self._skip_opening(piece)
        shown, within = self._strings(piece)
        depth = self.depth + np.cumsum(STEPS[shown] * ~within, dtype=np.int32)
        closed = np.flatnonzero(depth == 0) if self.begun else depth[:0]
        end = int(closed[0]) if len(closed) else len(piece)
        commas = np.flatnonzero((shown[:end] == COMMA) & ~within[:end] & (depth[:end] == 1))
        self._check_filled(shown[:end], commas)
        written = np.frombuffer(piece[: end + 1], np.uint8).copy()
        newlines = written == NEWLINE
        # A newline in a string is invalid JSON, and so is a carriage return.
        written[newlines] = np.where(within[: end + 1][newlines], RETURN, SPACE)
        written[commas] = NEWLINE
        if end < len(piece):
            self._close(piece, end)
            written[end] = NEWLINE
        self.depth = int(depth[-1]) if len(depth) else self.depth
        self.at += len(piece)
        return written.tobytes()

    def finish(self) -> None:
        """Check that the array is complete."""
        if not self.ended:
            raise BatchRefused(f"byte {self.at}: the file ends before its JSON array does")

    def _skip_opening(self, piece: bytes) -> bytes:
        """Skip the bracket that opens the array."""
        begin = piece.lstrip(BLANK)
        if self.begun or not begin:
            return piece
        if begin[:1] != b"[":
            raise BatchRefused("it is no JSON array of records, as the first file is")
        self.begun, self.depth = True, 1
        return b" " * (len(piece) - len(begin) + 1) + begin[1:]

    def _strings(self, piece: bytes) -> tuple[Array, Array]:
        """Blank out escaped characters; also return for each byte whether it is in a string."""
        shown = b" " + piece[1:] if self.escaped and piece else piece
        shown = ESCAPE.sub(b"__", shown)
        self.escaped = shown[-1:] == b"\\"
        text = np.frombuffer(shown, np.uint8)
        within = np.logical_xor.accumulate(text == QUOTE) ^ self.inside
        self.inside = bool(within[-1]) if len(within) else self.inside
        return text, within

    def _check_filled(self, shown: Array, commas: Array) -> None:
        """Refuse a comma without an element before it."""
        filled = FILLING[shown]
        filled[commas] = False
        so_far = np.cumsum(filled, dtype=np.int32) + self.filled
        before = np.concatenate(([0], so_far[commas]))
        empty = np.flatnonzero(np.diff(before) == 0)
        if len(empty):
            raise self._missing(int(commas[empty[0]]))
        self.found += len(commas)
        total = int(so_far[-1]) if len(so_far) else int(self.filled)
        self.filled = total > int(before[-1])

    def _missing(self, index: int) -> BatchRefused:
        return BatchRefused(f"byte {self.at + index}: the JSON array has no element before it")

    def _close(self, piece: bytes, end: int) -> None:
        if piece[end] != CLOSED:
            raise BatchRefused(f"byte {self.at + end}: '}}' stands where the JSON array ends")
        if self.found and not self.filled:
            raise self._missing(end)
        self.ended = True
        self._check_behind(piece, end + 1)

    def _check_behind(self, piece: bytes, start: int) -> None:
        behind = piece[start:]
        if begin := behind.lstrip(BLANK):
            place = self.at + len(piece) - len(begin)
            raise BatchRefused(f"byte {place}: text stands behind the end of the JSON array")


WAY_OUT = "JSONL has a record a line, as `jq -c . FILE` writes it; an array of records is read too"


def check_lines(text: bytes, *, whole: bool) -> None:
    """Refuse a file whose records take several lines.

    Parameters
    ----------
    whole
        Whether the text is the whole file.

    Raises
    ------
    BatchRefused
        With what to do instead.
    """
    begun = text.lstrip()
    first, newline, _ = begun.partition(b"\n")
    if first[:1] not in (b"[", b"{") or not newline or _parse(first) is not None:
        return
    if _is_one(begun, first, whole=whole):
        raise BatchRefused(f"it is one JSON value over several lines: {WAY_OUT}")


def _is_one(text: bytes, first: bytes, *, whole: bool) -> bool:
    """Return whether a text whose first line is not JSON is JSON as a whole, or begins like it."""
    if whole:
        return _parse(text) is not None
    return first.rstrip()[-1:] in (b"[", b"{", b",", b":")


def _parse(text: bytes) -> object:
    """Return the value of a text; None if it is not JSON."""
    try:
        with refusing(ValueError):
            return orjson.loads(text)
    except ValueError:
        return None
