"""The Arrow schema in a Parquet footer, reduced to the columns that are read.

Arrow's writers store their own types beside those of Parquet, in a flatbuffer. A reader takes all
of it or nothing, and polars panics at some types, so columns that are not needed are removed. The
flatbuffer is changed in place: its list of fields is shortened, and unknown time zones become UTC.
"""

import base64
import struct
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

KEY = b"ARROW:schema"
CONTINUES = b"\xff" * 4
PREFIX_BYTES = 8
MESSAGE_HEADER, SCHEMA_FIELDS = 2, 1
FIELD_NAME, FIELD_TYPE_KIND, FIELD_TYPE, FIELD_CHILDREN = 0, 2, 3, 5
TIMESTAMP, TIMESTAMP_ZONE = 10, 1
MOST_DEPTH = 64
UTC = struct.pack("<I", 3) + b"UTC\0"


@dataclass(slots=True)
class Flatbuffer:
    """A flatbuffer that is changed in place."""

    data: bytearray

    def table(self, at: int) -> int:
        """Follow an offset."""
        return at + self._number("<I", at)

    def slot(self, table: int, number: int) -> int | None:
        """Return where a table's member lies; None if it has none."""
        vtable = table - self._number("<i", table)
        if 4 + 2 * number >= self._number("<H", vtable):
            return None
        offset = self._number("<H", vtable + 4 + 2 * number)
        return table + offset if offset else None

    def elements(self, table: int, number: int) -> tuple[int, range]:
        """Return where a table's list lies, and the places of its offsets."""
        slot = self.slot(table, number)
        if slot is None:
            return 0, range(0)
        begin = self.table(slot)
        return begin, range(begin + 4, begin + 4 + 4 * self._number("<I", begin), 4)

    def text(self, slot: int) -> bytes:
        """Return a text."""
        begin = self.table(slot)
        return bytes(self.data[begin + 4 : begin + 4 + self._number("<I", begin)])

    def point(self, slot: int, target: int) -> None:
        """Redirect an offset to a place after it."""
        struct.pack_into("<I", self.data, slot, target - slot)

    def _number(self, form: str, at: int) -> int:
        if at < 0:
            raise ValueError(f"an offset leads to {at}")
        return int(struct.unpack_from(form, self.data, at)[0])


def reduce_schema(value: bytes, wanted: Collection[str], known: Callable[[str], bool]) -> bytes:
    """Return an Arrow schema with the wanted columns only.

    Parameters
    ----------
    value
        The schema from the footer, in base64.
    known
        Returns whether a time zone is known.
    """
    message = base64.b64decode(value, validate=True)
    begin = PREFIX_BYTES if message.startswith(CONTINUES) else PREFIX_BYTES // 2
    buffer = Flatbuffer(bytearray(message[begin:]))
    header = buffer.slot(buffer.table(0), MESSAGE_HEADER)
    if header is None:
        raise ValueError("it has no schema")
    begin, slots = buffer.elements(buffer.table(header), SCHEMA_FIELDS)
    kept = [buffer.table(slot) for slot in slots if _name(buffer, slot) in wanted]
    struct.pack_into("<I", buffer.data, begin, len(kept))
    for slot, field in zip(slots, kept, strict=False):
        buffer.point(slot, field)
    for zone in [zone for field in kept for zone in _zones(buffer, field, 0)]:
        if not known(buffer.text(zone).decode()):
            buffer.data += bytes(-len(buffer.data) % 4)
            buffer.point(zone, len(buffer.data))
            buffer.data += UTC
    buffer.data += bytes(-len(buffer.data) % 8)
    whole = CONTINUES + struct.pack("<I", len(buffer.data)) + buffer.data
    return base64.b64encode(whole)


def _name(buffer: Flatbuffer, slot: int) -> str:
    name = buffer.slot(buffer.table(slot), FIELD_NAME)
    return buffer.text(name).decode() if name is not None else ""


def _zones(buffer: Flatbuffer, field: int, depth: int) -> Iterator[int]:
    """Yield the places of the time zone names in a field and its children."""
    if depth > MOST_DEPTH:
        raise ValueError("nested too deeply")
    kind, own = buffer.slot(field, FIELD_TYPE_KIND), buffer.slot(field, FIELD_TYPE)
    if kind is not None and own is not None and buffer.data[kind] == TIMESTAMP:
        zone = buffer.slot(buffer.table(own), TIMESTAMP_ZONE)
        if zone is not None and buffer.text(zone):
            yield zone
    for child in buffer.elements(field, FIELD_CHILDREN)[1]:
        yield from _zones(buffer, buffer.table(child), depth + 1)
