"""Listing: a page of the requests that a caller may see, model by model, each newest first."""

import base64
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from serval.access.api_key import Caller
from serval.errors import InvalidParameter
from serval.requests.ids import with_names
from serval.requests.ports import RequestStore
from serval.requests.request import AsyncRequest, Status

MOST_LISTED, LISTED = 100, 20
POSITION = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]{8,15}Z [\w.-]{1,64}", re.ASCII)
"""A time of submission and a row's id: DynamoDB refuses a place that is none."""
QUERIES = 10
"""A page ends early after so many, however few of what was read has the status."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which requests of a model are listed; None: all of them."""

    status: Status | None = None
    since: str | None = None
    """The earliest time of submission."""
    before: str | None = None
    """The time that all were submitted before."""

    def check(self, cursor: str | None, after: "Position | None") -> None:
        """Refuse times, or a place to read on, that no list has."""
        if self.since and self.before and self.since >= self.before:
            raise InvalidParameter("since", self.since, f"a time before {self.before}")
        if after is None:
            return
        late = self.before is not None and after.created >= self.before
        if late or (self.since is not None and after.created < self.since):
            raise InvalidParameter("cursor", cursor, "one of a list of the same times")


@dataclass(frozen=True, slots=True)
class Position:
    """Behind one request in a model's list."""

    created: str
    id: str
    """Of the row."""


class RequestPages(RequestStore, Protocol):
    """The requests table, with its index of models."""

    def page(
        self, model: str, filters: Filters, after: Position | None, limit: int
    ) -> tuple[Sequence[AsyncRequest], Position | None]:
        """Read some of a model's requests, newest first, payloads left out.

        Returns
        -------
        tuple
            At most ``limit`` of them, and where to read on; None: there are no more.
        """


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page ended."""

    model: str
    after: Position | None = None

    def to_text(self) -> str:
        """Write it as callers hand it on."""
        after = [self.after.created, self.after.id] if self.after else []
        written = json.dumps([self.model, *after], separators=(",", ":"))
        return base64.urlsafe_b64encode(written.encode()).rstrip(b"=").decode()

    @classmethod
    def from_text(cls, text: str) -> "Cursor":
        """Read one, or raise ``InvalidParameter``."""
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
    """Lists requests."""

    store: RequestPages
    models: Sequence[str]
    """The models that have async requests."""

    def page(
        self, caller: Caller, model: str | None, filters: Filters, cursor: str | None, limit: int
    ) -> dict[str, Any]:
        """Give a page, and the cursor of the next one if there may be more."""
        models = caller.among(self.models) if model is None else [model]
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
            at = Cursor(at.model, after) if after else following(models, at.model)
        rows = with_names(self.store, found)
        return {"requests": [listed(row) for row in rows], "next": at.to_text() if at else None}


def following(models: Sequence[str], model: str) -> Cursor | None:
    """Give where the next model's list begins; None: that was the last one."""
    position = models.index(model) + 1
    return Cursor(models[position]) if position < len(models) else None


def listed(row: AsyncRequest) -> dict[str, Any]:
    """Describe a request in short."""
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
