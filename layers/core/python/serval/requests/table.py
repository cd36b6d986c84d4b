"""How an async request lies in the requests table.

A row has what differs from an ``AsyncRequest``'s defaults, ``state`` while the request is open or
its caller is still to be called back, and ``expires`` once it has finished. The stack declares the
table and its indexes by these names.
"""

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from serval.requests.request import AsyncRequest, OpenRequest

ID = "id"
"""Partition key of the table, which has no sort key."""
EXPIRES = "expires"
"""The table's TTL attribute, in epoch seconds."""
BY_MODEL, BY_MODEL_KEYS = "by_model", ("model", "created")
BY_MODEL_HAS = ("status", "version", "fleet", "attempts", "finished", "error", "updated")
"""What the index of models holds beside its keys: payloads would double the price of a write."""
BY_STATE, BY_STATE_KEYS = "by_state", ("state", "updated")
BY_STATE_HAS = ("model", "fleet", "created", "lease_until")
"""What the index of open requests holds beside its keys."""

CALLBACK = "callback"
"""State of closed requests whose callers are still to be called back."""

_DEFAULTS = {member.name: member.default for member in fields(AsyncRequest)}
_ALWAYS = ("status", "revision")


def state(status: str, shard: int) -> str:
    """Give the partition of the index of requests that are not done with."""
    return f"{status}#{shard}"


def to_attributes(request: AsyncRequest) -> dict[str, Any]:
    """Give the attributes of a request's row."""
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
    """Read a request's row, or what the index of models holds of it."""
    found = {name: _plain(attributes[name]) for name in _DEFAULTS if name in attributes}
    return AsyncRequest(**{"body_hash": "", **found})


def open_request(attributes: Mapping[str, Any]) -> OpenRequest:
    """Read what the index of open requests holds of one."""
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
    """Give a number or bytes as what they are, and not as boto3 has them."""
    if isinstance(value, Decimal):
        return int(value)
    return value if isinstance(value, str | int) else bytes(value)
