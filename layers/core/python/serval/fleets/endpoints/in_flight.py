"""What an endpoint holds, by the ids of its inferences, in its fleet's row.

Ids, and not a number: an inference is counted no more once, however often that is said, and one
that a crash left counted is found, since its request's row is not its any more.
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
    """Count an inference, if there is room for it."""

    def counted(row: FleetState) -> FleetState | None:
        if row.in_flight >= window:
            return None
        return replace(row, sent=(*row.sent, inference.id))

    return inference.id in control.change(fleet, counted).sent


def release(control: FleetControl, fleet: str, over: AbstractSet[str]) -> FleetState:
    """Count inferences no more."""
    return control.change(
        fleet, lambda row: replace(row, sent=tuple(one for one in row.sent if one not in over))
    )


def recount(control: FleetControl, store: RequestStore, fleet: str, now: datetime) -> FleetState:
    """Count those no more whose requests' rows are not theirs, or whose lease is over.

    A row is an inference's before the inference is counted, and until it is over.
    """
    known = {one: EndpointAttempt.parse(one) for one in control.states.find(fleet).sent}
    rows = store.find_all([each.request_id for each in known.values() if each])
    over = {one for one, inference in known.items() if not _held(inference, rows, now)}
    return release(control, fleet, over)


def _held(
    inference: EndpointAttempt | None, rows: Mapping[str, AsyncRequest], now: datetime
) -> bool:
    row = rows.get(inference.request_id) if inference else None
    return inference is not None and row is not None and inference.runs(row) and is_leased(row, now)
