"""The requests table: its keys, its indexes and the attributes of a row.

A row has the attributes that differ from an ``AsyncRequest``'s defaults, ``state`` while the
request is open or owes a callback, and ``expires`` once it has finished. The stack declares the
table by these names.
"""

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from serval.requests.request import AsyncRequest, OpenRequest

ID = "id"
"""Partition key; there is no sort key."""
EXPIRES = "expires"
"""The table's TTL attribute, in epoch seconds."""
BY_MODEL, BY_MODEL_KEYS = "by_model", ("model", "created")
BY_MODEL_HAS = ("status", "version", "fleet", "attempts", "finished", "error", "updated")
"""Projected attributes; payloads would double the price of a write."""
BY_STATE, BY_STATE_KEYS = "by_state", ("state", "updated")
BY_STATE_HAS = ("model", "fleet", "created", "lease_until")
"""Projected attributes."""

CALLBACK = "callback"
"""State of closed requests that still owe a callback."""

_DEFAULTS = {member.name: member.default for member in fields(AsyncRequest)}
_ALWAYS = ("status", "revision")


def state(status: str, shard: int) -> str:
    """Return the partition key of a part of ``BY_STATE``."""
    return f"{status}#{shard}"


def to_attributes(request: AsyncRequest) -> dict[str, Any]:
    """Write a request as a row."""
    attributes = {
        name: value
        for name, default in _DEFAULTS.items()
        if (value := getattr(request, name)) != default or name in _ALWAYS
    }
    if request.open:
        attributes["state"] = state(request.status, request.shard)
    elif request.callback_due:
        attributes["state"] = state(CALLBACK, request.shard)
    if request.finished is not None:
        finished = datetime.fromisoformat(request.finished)
        attributes[EXPIRES] = int((finished + timedelta(days=request.keep_days)).timestamp())
    return attributes


def from_attributes(attributes: Mapping[str, Any]) -> AsyncRequest:
    """Read a row, or what ``BY_MODEL`` has of it."""
    found = {name: _plain(attributes[name]) for name in _DEFAULTS if name in attributes}
    return AsyncRequest(**{"body_hash": "", **found})


def read_open_request(attributes: Mapping[str, Any]) -> OpenRequest:
    """Read what ``BY_STATE`` has of a request."""
    return OpenRequest(
        id=attributes["id"],
        model=attributes["model"],
        fleet=attributes["fleet"],
        status=attributes["state"].partition("#")[0],
        created=attributes["created"],
        updated=attributes["updated"],
        lease_until=attributes.get("lease_until"),
    )


def _plain(value: Any) -> Any:
    """Unwrap boto3's numbers and bytes."""
    if isinstance(value, Decimal):
        return int(value)
    return value if isinstance(value, str | int) else bytes(value)
