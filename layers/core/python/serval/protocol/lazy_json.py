"""JSON as simdjson parses it: lists and objects stay lazy, and keep their parser from others."""

import threading
from typing import Any

import simdjson

from serval.errors import MalformedBody

KEPT_BYTES = 2**18
"""The longest text for a parser that is kept: it keeps some five bytes for each of that."""


class KeptParser(threading.local):
    """A parser whose memory stays, since to get it anew may take longer than to parse.

    Each thread has its own: another could run between the end of parsing and the first list or
    object that keeps the parser from others.
    """

    def __init__(self) -> None:
        self.parser = simdjson.Parser()


KEPT = KeptParser()


def parse_json(text: str | bytes) -> Any:
    """Parse a body, or raise ``MalformedBody``; lists and objects stay lazy."""
    try:
        return parse_lazily(text)
    except (ValueError, RuntimeError) as error:
        raise MalformedBody(f"the body is not valid JSON: {json_problem(error)}") from None


def parse_lazily(text: str | bytes) -> Any:
    """Parse JSON by a parser that is free; raise what simdjson does."""
    if len(text) <= KEPT_BYTES:
        try:
            return KEPT.parser.parse(text)
        except RuntimeError:
            # Somebody still reads what it has parsed before.
            pass
    return simdjson.Parser().parse(text)


def json_problem(error: Exception) -> str:
    """Return simdjson's message without its error code."""
    if isinstance(error, UnicodeError):
        return "it is not UTF-8"
    code, _, sentence = str(error).partition(": ")
    if code == "BIGINT_ERROR":
        return "an integer does not fit 64 bits"
    return sentence.partition(".")[0] or code
