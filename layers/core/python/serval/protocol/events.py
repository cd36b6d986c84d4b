"""Server-sent events: an answer in pieces.

Specification: https://html.spec.whatwg.org/multipage/server-sent-events.html.
"""

from collections.abc import Generator, Iterator
from contextlib import closing
from typing import Any, cast

EVENT_STREAM = "text/event-stream"
DONE = b"data: [DONE]\n\n"
"""Ends a stream of OpenAI's API."""


def write_event(data: bytes, number: int | None = None) -> bytes:
    """Write an event whose data is JSON, which has no line breaks; its number is its id."""
    head = b"" if number is None else b"id: %d\n" % number
    return head + b"data: " + data + b"\n\n"


def closing_source(pieces: Iterator[Any]) -> closing[Any]:
    """Return a context at whose end the generator that pieces come from is closed."""
    return closing(cast(Generator[Any, None, None], pieces))
