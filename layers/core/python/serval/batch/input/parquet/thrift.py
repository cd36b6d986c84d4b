"""Thrift's compact protocol, as far as Parquet footers need it.

A struct is read as field → value, each value with its type, so that it can be written again even if
its meaning is unknown.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(1, 13)
INTEGERS = frozenset({I16, I32, I64})
MOST_DEPTH = 64
LONG_LIST = 15
"""Lists from this length on write it after their header, not in it."""


class NotThrift(Exception):
    """The bytes are not valid Thrift."""


@dataclass(frozen=True, slots=True)
class TypedValue:
    """A value and its type."""

    kind: int
    value: Any


@dataclass(frozen=True, slots=True)
class TypedList:
    """The elements of a list, all of one type."""

    kind: int
    values: list[Any]


Struct = dict[int, TypedValue]


@dataclass(slots=True)
class Reader:
    """Reads consecutive values."""

    data: bytes
    at: int = 0
    _depth: int = 0

    def struct(self, behind_field: int = 0) -> Struct:
        """Read a struct, or the rest of one after a field.

        Raises
        ------
        NotThrift
            If the bytes are invalid or end too soon.
        """
        self._enter()
        fields: Struct = {}
        field = behind_field
        while header := self._byte():
            delta, kind = header >> 4, header & 15
            field = field + delta if delta else self._zigzag()
            fields[field] = TypedValue(kind, self._value(kind))
        self._depth -= 1
        return fields

    def _value(self, kind: int) -> Any:
        if kind in INTEGERS:
            return self._zigzag()
        if kind == BINARY:
            return self._bytes(self._varint())
        if kind == STRUCT:
            return self.struct()
        if kind in (LIST, SET):
            return self.list()
        if kind in (TRUE, FALSE):
            return None
        if kind == DOUBLE:
            return self._bytes(8)
        if kind == BYTE:
            return self._bytes(1)
        raise NotThrift(f"type {kind} at byte {self.at}")

    def list(self) -> TypedList:
        """Read a list."""
        self._enter()
        listed = self._elements()
        self._depth -= 1
        return listed

    def _enter(self) -> None:
        self._depth += 1
        if self._depth > MOST_DEPTH:
            raise NotThrift(f"more than {MOST_DEPTH} structs and lists in each other")

    def _elements(self) -> TypedList:
        header = self._byte()
        size, kind = header >> 4, header & 15
        if size == LONG_LIST:
            size = self._varint()
        if size > len(self.data):
            raise NotThrift(f"a list of {size} at byte {self.at}")
        if kind in (TRUE, FALSE):
            return TypedList(kind, [self._byte() for _ in range(size)])
        return TypedList(kind, [self._value(kind) for _ in range(size)])

    def _zigzag(self) -> int:
        number = self._varint()
        return (number >> 1) ^ -(number & 1)

    def _varint(self) -> int:
        number = shift = 0
        while True:
            byte = self._byte()
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                return number
            shift += 7
            if shift > 63:
                raise NotThrift(f"a number without end at byte {self.at}")

    def _byte(self) -> int:
        if self.at >= len(self.data):
            raise NotThrift("the bytes end too soon")
        self.at += 1
        return self.data[self.at - 1]

    def _bytes(self, size: int) -> bytes:
        if self.at + size > len(self.data):
            raise NotThrift("the bytes end too soon")
        self.at += size
        return self.data[self.at - size : self.at]


def write_bytes(fields: Mapping[int, TypedValue]) -> bytes:
    """Write a struct; structs in it may be bytes, already written."""
    out = bytearray()
    _write_struct(out, fields)
    return bytes(out)


def _write_struct(out: bytearray, fields: Mapping[int, TypedValue]) -> None:
    last = 0
    for field in sorted(fields):
        typed = fields[field]
        delta = field - last
        if 0 < delta < 16:
            out.append(delta << 4 | typed.kind)
        else:
            out.append(typed.kind)
            _write_zigzag(out, field)
        _write(out, typed.kind, typed.value)
        last = field
    out.append(0)


def _write(out: bytearray, kind: int, value: Any) -> None:
    if kind in INTEGERS:
        _write_zigzag(out, value)
    elif kind == BINARY:
        _write_varint(out, len(value))
        out += value
    elif kind == STRUCT:
        _write_struct(out, value) if isinstance(value, dict) else out.extend(value)
    elif kind in (LIST, SET):
        _write_list(out, value)
    elif kind in (DOUBLE, BYTE):
        out += value


def _write_list(out: bytearray, value: TypedList) -> None:
    size = len(value.values)
    if size < LONG_LIST:
        out.append(size << 4 | value.kind)
    else:
        out.append(LONG_LIST << 4 | value.kind)
        _write_varint(out, size)
    if value.kind in (TRUE, FALSE):
        out += bytes(value.values)
        return
    for element in value.values:
        _write(out, value.kind, element)


def _write_zigzag(out: bytearray, number: int) -> None:
    _write_varint(out, number << 1 if number >= 0 else (-number << 1) - 1)


def _write_varint(out: bytearray, number: int) -> None:
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
