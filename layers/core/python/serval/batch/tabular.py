"""How a CSV file is written: byte order mark, delimiter, header, columns."""

import csv
import io
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from serval.batch.columns import NUMBERED
from serval.batch.options import CsvOptions
from serval.batch.records.record_ends import spans
from serval.errors import BatchRefused
from serval.signatures import TensorSpec

UTF8_MARK = b"\xef\xbb\xbf"
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
DELIMITERS = (",", ";", "\t", "|")
LOOKED_AT = 50
"""Records that have to agree on a delimiter."""
NUMBER = re.compile(
    r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*|\s*[-+]?(nan|inf(inity)?)\s*", re.I
)


@dataclass(frozen=True, slots=True)
class Table:
    """How the records of a file are laid out."""

    delimiter: str
    columns: tuple[str, ...]
    header: bool
    start: int
    """First byte of the first record that is one: behind the mark and the header."""


def mark_bytes(head: bytes) -> int:
    """Give the length of a byte order mark.

    Raises
    ------
    BatchRefused
        If the text is UTF-16, or has NUL in it; the byte is named.
    """
    if head.startswith(UTF16_MARKS):
        raise BatchRefused("byte 0: the text is UTF-16; UTF-8 expected")
    if (nul := head.find(b"\0")) >= 0:
        raise nul_found(nul)
    return len(UTF8_MARK) if head.startswith(UTF8_MARK) else 0


def nul_found(offset: int) -> BatchRefused:
    """Say that there is a NUL in the text."""
    return BatchRefused(f"byte {offset}: NUL: the text is UTF-16 or no text at all; UTF-8 expected")


def read_table(
    head: bytes,
    options: CsvOptions,
    inputs: Sequence[TensorSpec],
    mapped: Sequence[str] = (),
    *,
    whole: bool,
) -> Table:
    """Find out how a file is laid out from how it begins.

    Parameters
    ----------
    mapped
        Columns that were chosen by name.
    whole
        Whether ``head`` is all there is of the file.

    Raises
    ------
    BatchRefused
        If that cannot be told.
    """
    mark = mark_bytes(head)
    records, ends = _records(head[mark:], whole)
    if not records:
        raise BatchRefused(
            "the file has no records" if whole else f"the first record has over {len(head)} bytes"
        )
    delimiter = _delimiter(records) if options.delimiter == "auto" else options.delimiter
    rows = [_fields(record, delimiter) for record in records]
    header = _has_header(rows, inputs, mapped) if options.header == "auto" else options.header
    if not header:
        columns = tuple(f"column_{index}" for index in range(len(rows[0])))
        return Table(delimiter, columns, False, mark)
    return Table(delimiter, column_names(rows[0]), True, mark + ends[0])


def column_names(fields: Sequence[str]) -> tuple[str, ...]:
    """Take the fields of a header as names.

    Raises
    ------
    BatchRefused
        If one is empty, or there twice.
    """
    names = tuple(field.strip() for field in fields)
    if "" in names:
        raise BatchRefused(f"the header's column {names.index('') + 1} has no name")
    name, times = Counter(names).most_common(1)[0]
    if times > 1:
        raise BatchRefused(f"the header has column {name!r} more than once")
    return names


def header_fields(record: bytes, delimiter: str) -> list[str]:
    """Split a header."""
    return _fields(record, delimiter)


def _records(text: bytes, whole: bool) -> tuple[list[bytes], list[int]]:
    """Give the first records that are there in full, blank lines left out, and where they end."""
    found = spans(text, quoted=True)
    if found and not whole and not text.endswith(b"\n"):
        found.pop()
    kept = [span for span in found if text[slice(*span)].strip(b"\r\n")][:LOOKED_AT]
    return [text[start:end] for start, end in kept], [end for _, end in kept]


def _fields(record: bytes, delimiter: str) -> list[str]:
    text = io.StringIO(record.decode("utf-8", "replace"), newline="")
    try:
        (fields,) = csv.reader(text, delimiter=delimiter)
    except (ValueError, csv.Error):
        return [record.decode("utf-8", "replace").rstrip("\r\n")]
    return fields


def _delimiter(records: Sequence[bytes]) -> str:
    """Choose the delimiter that gives most columns, alike in most of the first records."""

    def score(delimiter: str) -> tuple[int, int]:
        widths = [len(_fields(record, delimiter)) for record in records]
        return (widths.count(widths[0]) if widths[0] > 1 else 0), widths[0]

    return max(DELIMITERS, key=score)


def _has_header(
    rows: Sequence[Sequence[str]], inputs: Sequence[TensorSpec], mapped: Sequence[str]
) -> bool:
    """Tell whether the first record names columns.

    Raises
    ------
    BatchRefused
        If it might as well be a record of texts.
    """
    first = [field.strip() for field in rows[0]]
    names = {name for spec in inputs for name in _possible_names(spec)} | set(mapped)
    if names & set(first):
        return True
    if any(NUMBER.fullmatch(field) or not field for field in first):
        return False
    if len(first) < sum(math.prod(map(abs, spec.shape[1:])) for spec in inputs):
        # Whatever it is: there are too few columns, which is what has to be said.
        return True
    if any(NUMBER.fullmatch(field) for row in rows[1:] for field in row):
        return True
    raise BatchRefused(
        f"the first record, {', '.join(map(repr, first))[:200]}, may be a header or not: say "
        "which with 'csv': {'header': true} or false"
    )


def _possible_names(spec: TensorSpec) -> list[str]:
    return [spec.name, *(pattern.format(name=spec.name, index=0) for pattern in NUMBERED)]
