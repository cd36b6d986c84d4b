"""Answers in pieces: server-sent events."""

import json
from collections.abc import Iterator, Mapping
from http import HTTPStatus

from serval.errors import ServalError
from serval.http.call import Log, Reply
from serval.http.protocols.protocol import AskedStream
from serval.http.status import status_of
from serval.protocol.events import EVENT_STREAM, closing_source

HEADERS: Mapping[str, str] = {"content-type": EVENT_STREAM, "cache-control": "no-cache"}
CHUNKS = "chunks"
"""Where a reply has its pieces, in place of ``body``."""


def open_stream(asked: AskedStream, headers: Mapping[str, str], log: Log) -> Reply:
    """Begin an answer; raise what is wrong before its first piece is there.

    What goes wrong afterwards is an event of its own, the last.
    """
    first = next(asked.pieces)
    return {
        "statusCode": int(HTTPStatus.OK),
        "headers": {**HEADERS, **asked.headers, **headers},
        CHUNKS: _all_pieces(first, asked, log),
    }


def _all_pieces(first: bytes, asked: AskedStream, log: Log) -> Iterator[bytes]:
    """Yield all pieces; to leave off early closes what they come from."""
    with closing_source(asked.pieces):
        yield first
        try:
            yield from asked.pieces
        except ServalError as error:
            status = status_of(error)
            if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                log(json.dumps({"level": "ERROR", "status": status, "error": str(error)}))
            yield asked.write_error(error)
            return
    if asked.end:
        yield asked.end
