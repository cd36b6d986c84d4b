"""What strangers send: their bytes, their documents, and the events of their uploads.

Whatever a foreign parser raises about a stranger's bytes becomes an error of ours. Many parsers are
written in C, C++ or Rust and raise more than they document, down to panics, which do not even
derive from ``Exception``. So each is called in one place, inside ``refusing``.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

from serval.errors import MalformedBody, PayloadTooLarge, ServalError
from serval.short_repr import short_repr

PANIC = "PanicException"
"""What PyO3 raises when Rust panics: a ``BaseException``, with a class of its own per library."""
MESSAGE_CHARACTERS = 1_000
DOCUMENT_LIMIT_BYTES = 256 * 2**10
"""Of a small document; the longest is the request for a batch job."""


@contextmanager
def refusing(refusal: Callable[[str], Exception]) -> Iterator[None]:
    """Replace whatever a parser raises by ``refusal``, called with the parser's message.

    Keep the block small: a bug of ours inside it would look like the stranger's mistake. Errors
    that are Serval's own pass through.
    """
    try:
        yield
    except ServalError:
        raise
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != PANIC:
            raise
        raise refusal(parser_message(error)) from error


def parser_message(error: BaseException) -> str:
    """Return a parser's message on one line."""
    text = " ".join(str(error).split())[:MESSAGE_CHARACTERS]
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if isinstance(error, MemoryError):
        return "it takes more memory than this machine has"
    return text or type(error).__name__


def read_document(text: bytes, what: str, limit_bytes: int = DOCUMENT_LIMIT_BYTES) -> Any:
    """Parse a JSON document as a whole; errors call it ``what``.

    Raises
    ------
    MalformedBody, PayloadTooLarge
        If it is not JSON, or too much of it, or an object in it has a member twice.
    """
    if len(text) > limit_bytes:
        raise PayloadTooLarge(what, len(text), limit_bytes, "ask for less at once")
    with refusing(lambda said: MalformedBody(f"{what} is not valid JSON: {said}")):
        return json.loads(text, object_pairs_hook=refuse_repeated)


def refuse_repeated(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of its members, or raise ``MalformedBody`` if one is there twice."""
    found = dict(members)
    if len(found) != len(members):
        raise repeated_member(name for name, _ in members)
    return found


def repeated_member(names: Iterable[str]) -> MalformedBody:
    """Build the error for a JSON object that has a member twice."""
    ((name, times),) = Counter(names).most_common(1)
    return MalformedBody(f"member {short_repr(name)} is there {times} times in one JSON object")


class NotAnUpload(ValueError):
    """The event is not one of a new object."""

    def __init__(self, event: object) -> None:
        super().__init__(f"{short_repr(event)} given, EventBridge's 'Object Created' expected")


@dataclass(frozen=True, slots=True)
class ObjectCreated:
    """A new object, or a new version of one."""

    bucket: str
    key: str
    """As in the event, where keys are not URL-encoded."""
    version_id: str | None
    """None in the local platform's events, which lack it."""

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> Self:
        """Read an EventBridge event, or raise ``NotAnUpload``."""
        match event:
            case {"detail": {"bucket": {"name": str(bucket)}, "object": {"key": str(key), **more}}}:
                version_id = more.get("version-id")
                if version_id is None or isinstance(version_id, str):
                    return cls(bucket, key, version_id)
        raise NotAnUpload(event)
