"""CSV as RFC 4180 has it, read by a character at a time: what the product is held against."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.odd_files.files import Record

COLUMNS = ("x_0", "x_1")
UNFIT = "\0"
"""For a field that makes its record unfit; text with a NUL is not read at all."""
PLAIN_NUMBER = re.compile(r"[-+]?\d+(\.\d+)?(e[-+]?\d+)?")


class BadQuotes(Exception):
    """Records cannot be told apart."""


def split(text: str, delimiter: str) -> Iterator[tuple[int, str, list[str]]]:
    """Give the number, the text and the fields of each record that is no blank line."""
    at = number = 0
    while at < len(text):
        fields, end = _record(text, at, delimiter)
        whole = text[at:end]
        if whole.strip("\r\n"):
            yield number, whole, fields
        at, number = end, number + 1


def _record(text: str, at: int, delimiter: str) -> tuple[list[str], int]:
    fields: list[str] = []
    while True:
        read = _quoted if text[at : at + 1] == '"' else _bare
        field, at = read(text, at, delimiter)
        fields.append(field)
        if text[at : at + 1] != delimiter:
            return fields, min(at + 1, len(text))
        at += 1


def _bare(text: str, at: int, delimiter: str) -> tuple[str, int]:
    end = _end(text, at, delimiter)
    if '"' in text[at:end]:
        raise BadQuotes
    field = text[at:end]
    return (field if text[end : end + 1] == delimiter else field.removesuffix("\r")), end


def _quoted(text: str, at: int, delimiter: str) -> tuple[str, int]:
    found, at = "", at + 1
    while True:
        end = text.find('"', at)
        if end < 0:
            raise BadQuotes
        found += text[at:end]
        at = end + 1
        if text[at : at + 1] != '"':
            break
        found, at = found + '"', at + 1
    behind = _end(text, at, delimiter)
    if text[at:behind] in ("", "\r") and (at == behind or text[behind : behind + 1] != delimiter):
        return found, behind
    if text[at : at + 1] != "\r":
        raise BadQuotes
    # Behind a carriage return more of the field stands: it is this record's fault, not the file's.
    return UNFIT, behind


def _end(text: str, at: int, delimiter: str) -> int:
    """Find where a field ends that is in no quotes."""
    ends = [found for end in (delimiter, "\n") if (found := text.find(end, at)) >= 0]
    return min(ends, default=len(text))


def records_of(text: str, delimiter: str, csv: Mapping[str, Any]) -> list[Record] | None:
    """Give what is right of each record; None: nothing can be."""
    if "\0" in text:
        return None
    try:
        found = list(split(text, delimiter))
    except BadQuotes:
        return None
    if not found:
        return None
    header = [name.strip() for name in found[0][2]]
    names = [name or f"column_{index}" for index, name in enumerate(header)]
    places = [_place(header, column) for column in COLUMNS]
    if len(set(names)) < len(names) or None in places:
        return None
    return [
        _judged(number - found[0][0] - 1, whole, fields, names, places, csv)
        for number, whole, fields in found[1:]
    ]


def _place(header: Sequence[str], column: str) -> int | None:
    for names in (header, [name.casefold() for name in header]):
        if names.count(column) == 1:
            return names.index(column)
    return None


def _judged(
    number: int,
    whole: str,
    fields: list[str],
    names: Sequence[str],
    places: Sequence[Any],
    csv: Mapping[str, Any],
) -> Record:
    if csv.get("ragged") == "pad":
        while len(fields) > len(names) and not fields[-1]:
            fields = fields[:-1]
        fields = fields + [""] * (len(names) - len(fields))
    unfit = len(fields) != len(names) or UNFIT in fields or whole.rstrip("\r\n") == "\x1a"
    if unfit or "\ufffd" in whole:
        return Record(number, {}, None)
    passed = {name: field or None for name, field in zip(names, fields, strict=True)}
    values = [_number(fields[place], csv) for place in places]
    if any(value is None for value, _ in values):
        return Record(number, passed, None)
    return Record(number, passed, [value or 0.0 for value, _ in values], all(s for _, s in values))


def _number(field: str, csv: Mapping[str, Any]) -> tuple[float | None, bool]:
    """Read a number, and tell whether there is no doubt that it is one."""
    if not field or field in csv.get("null_values", ()):
        return (None if csv.get("empty") == "reject" else float("nan")), True
    if csv.get("decimal") == ",":
        field = "?" if "." in field else field.replace(",", ".")
    try:
        found = float(field) if field.isascii() else None
    except ValueError:
        return None, True
    if found in (float("inf"), float("-inf")) and "inf" not in field.lower():
        return None, True
    return found, PLAIN_NUMBER.fullmatch(field) is not None
