"""Answers in pieces: server-sent events."""

import json
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from serval.errors import ServalError
from serval.http.call import Log, Reply
from serval.http.protocols.protocol import AskedStream
from serval.http.status import status_of
from serval.protocol.events import EVENT_STREAM, write_event

HEADERS: Mapping[str, str] = {"content-type": EVENT_STREAM, "cache-control": "no-cache"}
CHUNKS = "chunks"
"""Where a reply has its pieces, in place of ``body``."""


def open_stream(asked: AskedStream, headers: Mapping[str, str], log: Log) -> Reply:
    """Begin an answer; raise what is wrong before its first piece is there.

    What goes wrong afterwards is an event of its own, the last.
    """
    first = next(asked.documents)
    return {
        "statusCode": int(HTTPStatus.OK),
        "headers": {**HEADERS, **asked.headers, **headers},
        CHUNKS: _events(first, asked, log),
    }


def _events(first: dict[str, Any], asked: AskedStream, log: Log) -> Iterator[bytes]:
    write = asked.write or in_event
    yield write(first)
    try:
        for document in asked.documents:
            yield write(document)
    except ServalError as error:
        status = status_of(error)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            log(json.dumps({"level": "ERROR", "status": status, "error": str(error)}))
        yield write(asked.write_error(error))
        return
    if asked.end:
        yield asked.end


def in_event(document: Mapping[str, Any]) -> bytes:
    """Write a document as a server-sent event."""
    # Imported for streams alone: infer replies without them.
    from serval.tasks.call import write_json

    return write_event(write_json(document))
