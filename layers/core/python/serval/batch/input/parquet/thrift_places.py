"""Places of values in Thrift's compact protocol, found without reading the values.

A footer may have millions of values, of which a shard needs a few. Bytes that end too soon raise
``IndexError``, which the caller turns into a refusal.
"""

from collections.abc import Callable, Mapping
from typing import Any

from serval.batch.input.parquet.thrift import (
    BINARY,
    BYTE,
    DOUBLE,
    FALSE,
    INTEGERS,
    LIST,
    LONG_LIST,
    MOST_DEPTH,
    SET,
    STRUCT,
    TRUE,
    NotThrift,
)

SIZES = {TRUE: 0, FALSE: 0, BYTE: 1, DOUBLE: 8}
Visit = Callable[[bytes, int], tuple[Any, int]]
"""Reads the value at a place; also returns the place after it."""


def skip_value(data: bytes, at: int, kind: int, depth: int = 0) -> int:
    """Return the place after a value."""
    if kind in INTEGERS:
        return skip_number(data, at)
    if kind == BINARY:
        size, at = number_at(data, at)
        return at + size
    if kind == STRUCT:
        return _skip_struct(data, at, depth + 1)
    if kind in (LIST, SET):
        return _skip_list(data, at, depth + 1)
    if kind in SIZES:
        return at + SIZES[kind]
    raise NotThrift(f"type {kind} at byte {at}")


def _skip_struct(data: bytes, at: int, depth: int) -> int:
    _check_depth(depth)
    while header := data[at]:
        at += 1
        if header < 16:
            at = skip_number(data, at)
        kind = header & 15
        if kind in INTEGERS:
            while data[at] > 127:
                at += 1
            at += 1
        elif kind == BINARY and data[at] < 128:
            at += data[at] + 1
        else:
            at = skip_value(data, at, kind, depth)
    return at + 1


def _skip_list(data: bytes, at: int, depth: int) -> int:
    _check_depth(depth)
    count, kind, at = list_at(data, at)
    if kind in (TRUE, FALSE):
        return at + count
    for _ in range(count):
        at = skip_value(data, at, kind, depth)
    return at


def _check_depth(depth: int) -> None:
    if depth > MOST_DEPTH:
        raise NotThrift(f"more than {MOST_DEPTH} structs and lists in each other")


def list_at(data: bytes, at: int) -> tuple[int, int, int]:
    """Read the header of a list: its length, its type, and the place of its first element."""
    count, kind = data[at] >> 4, data[at] & 15
    at += 1
    if count == LONG_LIST:
        count, at = number_at(data, at)
    if count > len(data):
        raise NotThrift(f"a list of {count} at byte {at}")
    return count, kind, at


def number_at(data: bytes, at: int) -> tuple[int, int]:
    """Read an unsigned number; also return the place after it."""
    byte = data[at]
    number, shift = byte & 0x7F, 7
    while byte > 127:
        at += 1
        byte = data[at]
        number |= (byte & 0x7F) << shift
        shift += 7
        if shift > 70:
            raise NotThrift(f"a number without end at byte {at}")
    return number, at + 1


def integer_at(data: bytes, at: int) -> tuple[int, int]:
    """Read a signed number; also return the place after it."""
    number, at = number_at(data, at)
    return (number >> 1) ^ -(number & 1), at


def skip_number(data: bytes, at: int) -> int:
    """Return the place after a number."""
    while data[at] > 127:
        at += 1
    return at + 1


def read_fields(data: bytes, at: int, visits: Mapping[int, Visit]) -> tuple[dict[int, Any], int]:
    """Read some fields of a struct and skip the others; also return the place after it."""
    found: dict[int, Any] = {}
    field = 0
    while data[at]:
        field, kind, at = header_at(data, at, field)
        if field in visits:
            found[field], at = visits[field](data, at)
        else:
            at = skip_value(data, at, kind)
    return found, at + 1


def header_at(data: bytes, at: int, before: int) -> tuple[int, int, int]:
    """Read the header of a field: its number, its type, and the place of its value."""
    header = data[at]
    if header < 16:
        number, at = integer_at(data, at + 1)
        return number, header & 15, at
    return before + (header >> 4), header & 15, at + 1


def zigzag(number: int) -> bytes:
    """Write a signed number."""
    return _varint(number << 1 if number >= 0 else (-number << 1) - 1)


def list_header(count: int, kind: int) -> bytes:
    """Write the header of a list."""
    if count < LONG_LIST:
        return bytes([count << 4 | kind])
    return bytes([LONG_LIST << 4 | kind]) + _varint(count)


def _varint(number: int) -> bytes:
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
