"""Lists of the requests that a caller may see: in pages, model by model, each newest first."""

import base64
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from serval.access.api_key import Caller
from serval.errors import InvalidParameter
from serval.requests.ids import PUT
from serval.requests.ports import RequestStore
from serval.requests.request import AsyncRequest, Status

MOST_LISTED, LISTED = 100, 20
POSITION = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]{8,15}Z [\w.-]{1,64}", re.ASCII)
"""A time of submission and a row's id; DynamoDB refuses anything else as a position."""
QUERIES = 10
"""A page ends early after so many queries, however few rows matched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which requests of a model to list; None: all of them."""

    status: Status | None = None
    since: str | None = None
    """The earliest time of submission."""
    before: str | None = None
    """The time before which all were submitted."""

    def check(self, cursor: str | None, after: "Position | None") -> None:
        """Refuse times that exclude each other, and a position outside them."""
        if self.since and self.before and self.since >= self.before:
            raise InvalidParameter("since", self.since, f"a time before {self.before}")
        if after is None:
            return
        late = self.before is not None and after.created >= self.before
        if late or (self.since is not None and after.created < self.since):
            raise InvalidParameter("cursor", cursor, "one of a list of the same times")


@dataclass(frozen=True, slots=True)
class Position:
    """The place after one request in a model's list."""

    created: str
    id: str
    """Of the row."""


class RequestPages(RequestStore, Protocol):
    """The requests table, with its index by model."""

    def page(
        self, model: str, filters: Filters, after: Position | None, limit: int
    ) -> tuple[Sequence[AsyncRequest], Position | None]:
        """Read some of a model's requests, newest first, without payloads.

        Returns
        -------
        tuple
            At most ``limit`` requests, and where to read on; None: there are no more.
        """


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page ended, as callers pass it on."""

    model: str
    after: Position | None = None

    def to_text(self) -> str:
        """Encode it as URL-safe text."""
        after = [self.after.created, self.after.id] if self.after else []
        written = json.dumps([self.model, *after], separators=(",", ":"))
        return base64.urlsafe_b64encode(written.encode()).rstrip(b"=").decode()

    @classmethod
    def from_text(cls, text: str) -> "Cursor":
        """Decode a cursor, or raise ``InvalidParameter``."""
        try:
            match json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))):
                case [str(model)]:
                    return cls(model)
                case [str(model), str(created), str(row_id)] if POSITION.fullmatch(
                    f"{created} {row_id}"
                ):
                    return cls(model, Position(created, row_id))
        except (ValueError, RecursionError):
            pass
        raise InvalidParameter("cursor", text, "the 'next' of the page before")


@dataclass(frozen=True, slots=True)
class ListRequests:
    """Lists requests for callers."""

    store: RequestPages
    models: Callable[[], Iterable[str]]
    """Lists the models of the stage."""

    def list_requests(
        self, caller: Caller, model: str | None, filters: Filters, cursor: str | None, limit: int
    ) -> dict[str, Any]:
        """Return a page, and the cursor of the next one if there may be more."""
        models = caller.among(self.models()) if model is None else [model]
        at = Cursor.from_text(cursor) if cursor else None
        if at is not None and at.model not in models:
            raise InvalidParameter("cursor", cursor, "one of a list of the same models")
        filters.check(cursor, at.after if at else None)
        if at is None and models:
            at = Cursor(models[0])
        found: list[AsyncRequest] = []
        for _ in range(QUERIES):
            if at is None or len(found) >= limit:
                break
            rows, after = self.store.page(at.model, filters, at.after, limit - len(found))
            found += rows
            at = Cursor(at.model, after) if after else next_cursor(models, at.model)
        rows = restore_names(self.store, found)
        return {
            "requests": [summarize_request(row) for row in rows],
            "next": at.to_text() if at else None,
        }


def next_cursor(models: Sequence[str], model: str) -> Cursor | None:
    """Return where the next model's list begins; None: that was the last one."""
    position = models.index(model) + 1
    return Cursor(models[position]) if position < len(models) else None


def restore_names(store: RequestStore, indexed: Sequence[AsyncRequest]) -> list[AsyncRequest]:
    """Read the ids that callers chose, which the index does not hold."""
    rows = store.find_all([row.id for row in indexed if row.id.startswith(PUT)])
    return [rows.get(row.id, row) for row in indexed]


def summarize_request(row: AsyncRequest) -> dict[str, Any]:
    """Describe a request in a list."""
    return {
        "id": row.name,
        "status": row.status,
        "model": row.model,
        "version": row.version,
        "attempts": row.attempts,
        "created": row.created,
        "finished": row.finished,
        "error": row.error,
    }
