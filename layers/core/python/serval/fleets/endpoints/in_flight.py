"""Inferences in flight: what an endpoint holds, by id, in its fleet's row.

Ids rather than a number: releasing one twice is harmless, and one that a crash left behind is found
because its request's row no longer names it.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import datetime

from serval.fleets.control import FleetControl
from serval.fleets.endpoints.attempt import EndpointAttempt
from serval.fleets.state import FleetState
from serval.requests.lifecycle import is_leased
from serval.requests.ports import RequestStore
from serval.requests.request import AsyncRequest


def reserve(control: FleetControl, fleet: str, inference: EndpointAttempt, window: int) -> bool:
    """Count an inference if there is room for it."""

    def add(row: FleetState) -> FleetState | None:
        if row.in_flight >= window:
            return None
        return replace(row, sent=(*row.sent, inference.id))

    return inference.id in control.change(fleet, add).sent


def release(control: FleetControl, fleet: str, over: AbstractSet[str]) -> FleetState:
    """Stop counting inferences."""
    return control.change(
        fleet, lambda row: replace(row, sent=tuple(one for one in row.sent if one not in over))
    )


def recount(control: FleetControl, store: RequestStore, fleet: str, now: datetime) -> FleetState:
    """Stop counting inferences that their rows no longer name, or whose lease is over.

    A row names an inference before it is counted, and until it is over.
    """
    known = {one: EndpointAttempt.parse(one) for one in control.states.find(fleet).sent}
    rows = store.find_all([each.request_id for each in known.values() if each])
    over = {one for one, inference in known.items() if not _is_held(inference, rows, now)}
    return release(control, fleet, over)


def _is_held(
    inference: EndpointAttempt | None, rows: Mapping[str, AsyncRequest], now: datetime
) -> bool:
    row = rows.get(inference.request_id) if inference else None
    return inference is not None and row is not None and inference.runs(row) and is_leased(row, now)
