"""Places in Thrift's compact protocol: where values lie, without keeping what they are.

A footer may have millions of values, of which a shard needs a few. Bytes that end too soon raise
``IndexError``; whoever calls makes a refusal of it.
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
"""Reads the value that begins at a byte; gives what is behind it, too."""


def behind(data: bytes, at: int, kind: int, depth: int = 0) -> int:
    """Give the first byte behind a value, which is not kept: a footer may have millions."""
    if kind in INTEGERS:
        return behind_number(data, at)
    if kind == BINARY:
        size, at = number_at(data, at)
        return at + size
    if kind == STRUCT:
        return _behind_struct(data, at, depth + 1)
    if kind in (LIST, SET):
        return _behind_list(data, at, depth + 1)
    if kind in SIZES:
        return at + SIZES[kind]
    raise NotThrift(f"type {kind} at byte {at}")


def _behind_struct(data: bytes, at: int, depth: int) -> int:
    _check_depth(depth)
    while header := data[at]:
        at += 1
        if header < 16:
            at = behind_number(data, at)
        kind = header & 15
        if kind in INTEGERS:
            while data[at] > 127:
                at += 1
            at += 1
        elif kind == BINARY and data[at] < 128:
            at += data[at] + 1
        else:
            at = behind(data, at, kind, depth)
    return at + 1


def _behind_list(data: bytes, at: int, depth: int) -> int:
    _check_depth(depth)
    count, kind, at = list_at(data, at)
    if kind in (TRUE, FALSE):
        return at + count
    for _ in range(count):
        at = behind(data, at, kind, depth)
    return at


def _check_depth(depth: int) -> None:
    if depth > MOST_DEPTH:
        raise NotThrift(f"more than {MOST_DEPTH} structs and lists in each other")


def list_at(data: bytes, at: int) -> tuple[int, int, int]:
    """Read the begin of a list: how many elements, of what type, and where the first one is."""
    count, kind = data[at] >> 4, data[at] & 15
    at += 1
    if count == LONG_LIST:
        count, at = number_at(data, at)
    if count > len(data):
        raise NotThrift(f"a list of {count} at byte {at}")
    return count, kind, at


def number_at(data: bytes, at: int) -> tuple[int, int]:
    """Read a number without a sign; give what is behind it, too."""
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
    """Read a number with a sign; give what is behind it, too."""
    number, at = number_at(data, at)
    return (number >> 1) ^ -(number & 1), at


def behind_number(data: bytes, at: int) -> int:
    """Give the first byte behind a number."""
    while data[at] > 127:
        at += 1
    return at + 1


def visited(data: bytes, at: int, visits: Mapping[int, Visit]) -> tuple[dict[int, Any], int]:
    """Read some fields of a struct, and pass over the others; give what is behind it, too."""
    found: dict[int, Any] = {}
    field = 0
    while data[at]:
        field, kind, at = header_at(data, at, field)
        if field in visits:
            found[field], at = visits[field](data, at)
        else:
            at = behind(data, at, kind)
    return found, at + 1


def header_at(data: bytes, at: int, before: int) -> tuple[int, int, int]:
    """Read how a field begins: its number, its type, and where its value is."""
    header = data[at]
    if header < 16:
        number, at = integer_at(data, at + 1)
        return number, header & 15, at
    return before + (header >> 4), header & 15, at + 1


def zigzag(number: int) -> bytes:
    """Write a number with a sign."""
    return _varint(number << 1 if number >= 0 else (-number << 1) - 1)


def list_header(count: int, kind: int) -> bytes:
    """Write the begin of a list."""
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
