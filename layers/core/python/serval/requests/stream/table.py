"""The streams table: its keys, and the attributes of a chunk. The stack declares it by these."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from serval.requests.stream.piece import StreamChunk, read_pieces, write_pieces

REQUEST, FIRST = "request", "first"
"""Partition key, the request's id, and sort key, the number of the chunk's first piece."""
EXPIRES = "expires"
"""The table's TTL attribute, in epoch seconds."""


def to_attributes(request_id: str, chunk: StreamChunk, expires: datetime) -> dict[str, Any]:
    """Write a chunk as an item."""
    return {
        REQUEST: request_id,
        FIRST: chunk.first,
        "attempt": chunk.attempt,
        "version": chunk.version,
        "pieces": write_pieces(chunk.pieces),
        EXPIRES: int(expires.timestamp()),
    }


def from_attributes(attributes: Mapping[str, Any]) -> StreamChunk:
    """Read an item, whose numbers boto3 wraps."""
    pieces = read_pieces(int(attributes[FIRST]), attributes["pieces"])
    return StreamChunk(int(attributes["attempt"]), attributes["version"], pieces)
