"""Server-sent events: an answer in pieces.

Specification: https://html.spec.whatwg.org/multipage/server-sent-events.html.
"""

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from typing import Any, cast

EVENT_STREAM = "text/event-stream"
DONE = b"data: [DONE]\n\n"
"""Ends a stream of OpenAI's API."""
LINE_BREAKS = {one.encode(): b"\\u%04x" % ord(one) for one in "\x85\u2028\u2029"}
"""Those of Unicode that JSON may have as they are, and how it writes them otherwise: some clients,
such as httpx, take them for the end of a line."""


def write_event(data: bytes, number: int | None = None) -> bytes:
    """Write an event whose data is JSON; its number is its id."""
    for line_break, escaped in LINE_BREAKS.items():
        data = data.replace(line_break, escaped)
    head = b"" if number is None else b"id: %d\n" % number
    return head + b"data: " + data + b"\n\n"


def read_lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the lines of a stream, however it was cut; text may have line breaks of Unicode."""
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        yield from whole
    yield rest


def closing_source(pieces: Iterator[Any]) -> closing[Any]:
    """Return a context at whose end the generator that pieces come from is closed."""
    return closing(cast(Generator[Any, None, None], pieces))
