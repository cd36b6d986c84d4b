"""Column chunks in a Parquet footer: where the values of a column in a row group lie."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from serval.batch.input.parquet.thrift import LIST, STRUCT, NotThrift
from serval.batch.input.parquet.thrift_places import (
    Visit,
    integer_at,
    list_at,
    number_at,
    read_fields,
    skip_value,
)

CHUNK_FILE, CHUNK_META, CHUNK_CRYPTO = 1, 3, 8
META_PATH, META_VALUES, META_TEXT_BYTES, META_BYTES, META_DATA, META_DICTIONARY = 3, 5, 6, 7, 9, 11
NEEDED = (META_PATH, META_BYTES, META_DATA)
VALUE_BYTES = 8


@dataclass(frozen=True, slots=True)
class Chunk:
    """Place of one column of a row group."""

    column: str
    start: int
    size_bytes: int
    decoded_bytes: int
    """Lower bound of its size in memory: the uncompressed data, and 8 bytes a value."""
    place: tuple[int, int]
    """Start and end in the footer of the chunk's own description."""


def chunks_at(leaves: list[str | None], data: bytes, at: int) -> tuple[tuple[Chunk, ...], int]:
    """Read the chunks of a row group for the columns that have a name here."""
    count, kind, at = list_at(data, at)
    if count != len(leaves) or kind != STRUCT:
        raise NotThrift(f"a row group has {count} columns, the schema {len(leaves)}")
    found = []
    for column in leaves:
        start = at
        if column is None:
            at = skip_value(data, at, STRUCT)
        else:
            chunk, at = read_fields(data, at, CHUNK)
            found.append(_chunk(column, chunk, (start, at)))
    return tuple(found), at


def _chunk(column: str, chunk: dict[int, Any], place: tuple[int, int]) -> Chunk:
    meta = chunk.get(CHUNK_META)
    if CHUNK_CRYPTO in chunk or not isinstance(meta, dict):
        raise NotThrift(f"column {column!r} is encrypted")
    if chunk.get(CHUNK_FILE):
        raise NotThrift(f"column {column!r} lies in another file")
    if missing := [field for field in NEEDED if field not in meta]:
        raise NotThrift(f"column {column!r} has no field {missing[0]}")
    if meta[META_PATH] != column.encode():
        raise NotThrift(f"the chunk of column {column!r} is called {meta[META_PATH]!r:.80}")
    start, dictionary = meta[META_DATA], meta.get(META_DICTIONARY, 0)
    return Chunk(
        column,
        min(start, dictionary) if dictionary else start,
        meta[META_BYTES],
        max(meta.get(META_TEXT_BYTES, 0), 0) + VALUE_BYTES * max(meta.get(META_VALUES, 0), 0),
        place,
    )


def _first_of_path(data: bytes, at: int) -> tuple[bytes, int]:
    size, start = number_at(data, list_at(data, at)[2])
    return data[start : start + size], skip_value(data, at, LIST)


def _bytes(data: bytes, at: int) -> tuple[bytes, int]:
    size, at = number_at(data, at)
    return data[at : at + size], at + size


def _skip_struct(data: bytes, at: int) -> tuple[bool, int]:
    return True, skip_value(data, at, STRUCT)


META: Mapping[int, Visit] = {
    META_PATH: _first_of_path,
    **dict.fromkeys(
        (META_VALUES, META_TEXT_BYTES, META_BYTES, META_DATA, META_DICTIONARY), integer_at
    ),
}
CHUNK: Mapping[int, Visit] = {
    CHUNK_FILE: _bytes,
    CHUNK_META: lambda data, at: read_fields(data, at, META),
    CHUNK_CRYPTO: _skip_struct,
}
