"""Answers as server-sent events, a document of JSON each."""

from collections.abc import Iterator, Mapping
from typing import Any

from serval.protocol.events import closing_source, write_event
from serval.tasks.call import write_json


def in_event(document: Mapping[str, Any], number: int | None = None) -> bytes:
    """Write a document as an event."""
    return write_event(write_json(document), number)


def in_events(documents: Iterator[dict[str, Any]]) -> Iterator[bytes]:
    """Write documents as events; to leave off early closes what they come from."""
    with closing_source(documents):
        for document in documents:
            yield in_event(document)
