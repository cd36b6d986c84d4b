"""Dialect of a CSV file: byte order mark, delimiter, header and columns."""

import csv
import io
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from serval.batch.input.column_refusals import quoted_list
from serval.batch.input.columns import numbered_names, width_of
from serval.batch.input.records import mark_length, record_spans
from serval.batch.job.options import CsvOptions
from serval.errors import BatchRefused
from serval.models.signature import TensorSpec

NUMBER = re.compile(
    r"\s*[-+]?(\d+[.,]?\d*|[.,]\d+)([eE][-+]?\d+)?\s*|\s*[-+]?(nan|inf(inity)?)\s*", re.I
)
INTEGER = re.compile(r"\d+")
DECIMAL = re.compile(r"[-+]?\d*[.,]\d*([eE][-+]?\d+)?")
DELIMITERS = (",", ";", "\t", "|")
SAMPLED_RECORDS = 50
"""Records that have to agree on a delimiter."""


@dataclass(frozen=True, slots=True)
class CsvTable:
    """How the records of a file are laid out."""

    delimiter: str
    columns: tuple[str, ...]
    header: bool
    start: int
    """Offset of the first record after mark and header."""
    nameless: frozenset[str] = frozenset()
    """Columns that the header does not name."""
    first: Mapping[str, str] = field(default_factory=dict, compare=False)
    """Column → its text in the first record after the header."""

    @property
    def texts(self) -> set[str]:
        """Columns whose text in the first record is not a number."""
        return {
            name for name, text in self.first.items() if text.strip() and not NUMBER.fullmatch(text)
        }

    @property
    def named(self) -> tuple[str, ...]:
        """Columns that the file itself names."""
        named = self.columns if self.header else ()
        return tuple(name for name in named if name not in self.nameless)


def read_table(
    head: bytes,
    options: CsvOptions,
    inputs: Sequence[TensorSpec],
    chosen: Sequence[str] = (),
    *,
    whole: bool,
) -> CsvTable:
    """Read the dialect and the columns of a file from its first bytes.

    Parameters
    ----------
    chosen
        Columns that the job or the model names.
    whole
        Whether ``head`` is the whole file.

    Raises
    ------
    BatchRefused
        If they cannot be determined.
    """
    mark = mark_length(head)
    records, ends = _records(head[mark:], whole)
    if not records:
        raise BatchRefused(
            "the file has no records" if whole else f"the first record has over {len(head)} bytes"
        )
    if b"\n" not in head and b"\r" in head.strip():
        raise BatchRefused("its records end in a carriage return alone; LF or CRLF expected")
    names = {name for spec in inputs for name in numbered_names(spec.name)} | set(chosen)
    auto = options.delimiter == "auto"
    delimiter = _delimiter(records, options, names) if auto else options.delimiter
    rows = [_fields(record, delimiter) for record in records]
    header = options.header
    if header == "auto":
        header = has_header(rows, sum(map(width_of, inputs)), names, chosen)
    if not header:
        columns = tuple(f"column_{index}" for index in range(len(rows[0])))
        first = dict(zip(columns, rows[0], strict=False))
        return CsvTable(delimiter, columns, False, mark, first=first)
    columns, nameless = header_names(records[0], delimiter)
    _check_widths(rows, options)
    first = dict(zip(columns, rows[1], strict=False)) if len(rows) > 1 else {}
    return CsvTable(delimiter, columns, True, mark + ends[0], nameless, first)


def header_names(record: bytes, delimiter: str) -> tuple[tuple[str, ...], frozenset[str]]:
    """Read a header: the names of the columns, and those of them that were made up.

    Raises
    ------
    BatchRefused
        If it is not UTF-8, or repeats a name.
    """
    try:
        record.decode()
    except UnicodeDecodeError as error:
        raise BatchRefused(
            f"byte {error.start} of the header is not UTF-8: choose csv.encoding, as windows-1252"
        ) from None
    return name_columns(_fields(record.rstrip(b"\r\n"), delimiter))


def check_header(record: bytes, delimiter: str, columns: Sequence[str]) -> None:
    """Refuse a file whose header differs from that of the first file."""
    found, _ = header_names(record.strip(b"\r\n"), delimiter)
    if found != tuple(columns):
        raise BatchRefused(
            f"its header is {quoted_list(found)[:300]}; that of the first file is "
            f"{quoted_list(columns)[:300]}"
        )


def name_columns(fields: Sequence[str]) -> tuple[tuple[str, ...], frozenset[str]]:
    """Return the column names of a header; a column without a name is named by its position.

    Returns
    -------
    tuple
        All names, and those that are not in the file.

    Raises
    ------
    BatchRefused
        If a name is repeated, or there are no names at all.
    """
    stripped = [field.strip() for field in fields]
    given = [name for name in stripped if name]
    if not given:
        raise BatchRefused("the header names no column")
    name, times = Counter(given).most_common(1)[0]
    if times > 1:
        raise BatchRefused(f"the header has column {name!r} more than once")
    taken = set(given)
    names, made = [], set()
    for index, own in enumerate(stripped):
        name = own or f"column_{index}"
        while not own and name in taken:
            name += "_"
        taken.add(name)
        names.append(name)
        made.update([] if own else [name])
    return tuple(names), frozenset(made)


def has_header(
    rows: Sequence[Sequence[str]], needed: int, names: set[str], chosen: Sequence[str]
) -> bool:
    """Return whether the first record names columns.

    Parameters
    ----------
    needed
        Number of columns that the inputs take.
    names
        Possible names of columns, derived from the inputs.
    chosen
        Columns that the job or the model names.

    Raises
    ------
    BatchRefused
        If it might also be a record.
    """
    first = [field.strip() for field in rows[0]]
    texts = [field for field in first if field and not NUMBER.fullmatch(field)]
    if set(chosen) & set(first) or _fold_case([*names, *chosen]) & _fold_case(texts):
        return True
    if not texts:
        return _refuse_ambiguous(first) if _may_number_columns(first, rows[1:], names) else False
    over_numbers = _stands_over_number(first, rows[1:])
    if any(NUMBER.fullmatch(field) for field in first):
        return _refuse_ambiguous(first) if over_numbers else False
    # With too few columns it does not matter: the refusal has to say that there are too few.
    return True if over_numbers or len(first) < needed else _refuse_ambiguous(first)


def _may_number_columns(
    first: Sequence[str], rows: Sequence[Sequence[str]], names: set[str]
) -> bool:
    """Return whether a record of numbers might be a header of numbers."""
    given = [field for field in first if field]
    if len(set(given)) < len(given) or not all(INTEGER.fullmatch(field) for field in given):
        return False
    counted = given == [str(index) for index in range(len(given))]
    return bool(given) and (counted or bool(names & set(given)) or _are_decimals(rows, len(first)))


def _are_decimals(rows: Sequence[Sequence[str]], width: int) -> bool:
    """Return whether the records of this width contain only decimals."""
    alike = [row for row in rows if len(row) == width]
    return bool(alike) and all(
        DECIMAL.fullmatch(field.strip()) for row in alike for field in row if field.strip()
    )


def _stands_over_number(first: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Return whether a text of the first record stands above a number."""
    return any(
        own and not NUMBER.fullmatch(own) and NUMBER.fullmatch(field)
        for row in rows
        for own, field in zip(first, row, strict=False)
    )


def _fold_case(names: Sequence[str]) -> set[str]:
    return {name.casefold() for name in names}


def _refuse_ambiguous(first: Sequence[str]) -> NoReturn:
    raise BatchRefused(
        f"the first record, {quoted_list(first)[:200]}, may be a header or not: say which with "
        "'csv': {'header': true} or false"
    )


def _check_widths(rows: Sequence[Sequence[str]], options: CsvOptions) -> None:
    """Refuse a file all of whose records have one field more than the header, with a hint."""
    width = len(rows[0])
    if len(rows) < 2 or any(len(row) != width + 1 for row in rows[1:]):
        return
    if all(not row[-1] for row in rows[1:]):
        if options.ragged == "pad":
            return
        hint = "a delimiter ends each record, but not the header: csv.ragged 'pad' passes over it"
    else:
        hint = "where they begin with a name of the row, as R writes it, the header has to name it"
    raise BatchRefused(
        f"the header has {width} fields ({quoted_list(rows[0])}), each record {width + 1}: {hint}"
    )


def _records(text: bytes, whole: bool) -> tuple[list[bytes], list[int]]:
    """Return the first complete records without blank lines, and where they end."""
    found = record_spans(text, quoted=True)
    if found and not whole and not text.endswith(b"\n"):
        found.pop()
    kept = [span for span in found if text[slice(*span)].strip(b"\r\n")][:SAMPLED_RECORDS]
    return [text[start:end] for start, end in kept], [end for _, end in kept]


def _fields(record: bytes, delimiter: str) -> list[str]:
    text = io.StringIO(record.decode("utf-8", "replace"), newline="")
    try:
        (fields,) = csv.reader(text, delimiter=delimiter)
    except (ValueError, csv.Error):
        return [record.decode("utf-8", "replace").rstrip("\r\n")]
    return fields


def _delimiter(records: Sequence[bytes], options: CsvOptions, names: set[str]) -> str:
    """Choose the delimiter that gives most columns, consistently in the first records.

    Raises
    ------
    BatchRefused
        If several delimiters split all of them.
    """
    possible = [each for each in DELIMITERS if each != options.decimal]
    split = {each: [_fields(record, each) for record in records] for each in possible}
    agreed = {each: _count_agreeing(rows) for each, rows in split.items()}
    best = max(possible, key=lambda each: (agreed[each], len(split[each][0])))
    rivals = [each for each in possible if agreed[each] == len(records)]
    if len(rivals) > 1:
        rivals = [each for each in rivals if names & set(split[each][0])] or rivals
    if len(rivals) > 1:
        said = ", ".join(f"{each!r} ({len(split[each][0])} columns)" for each in rivals)
        raise BatchRefused(f"the first records can be split by {said}: choose csv.delimiter")
    return rivals[0] if rivals else best


def _count_agreeing(rows: Sequence[Sequence[str]]) -> int:
    """Count the records as wide as the first; none if that has one column."""
    width = len(rows[0])
    return sum(len(row) == width for row in rows) if width > 1 else 0
