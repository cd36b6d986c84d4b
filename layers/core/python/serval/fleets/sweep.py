"""The sweep: every ten minutes, pick up requests that something was lost of.

A request may lack its message (a crash between row and message), its runner (a crash), SageMaker's
notice, its callback, or an awake fleet (put to sleep while a submit believed it awake). Messages
are sent again at ages that double, and then daily, so that a long backlog is not sent again and
again. Duplicates are harmless: their receiver drops them.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from serval.clock import Clock, timestamp, utc_now
from serval.fleets.control import FleetControl
from serval.fleets.endpoints.complete import Complete
from serval.models.deployed_fleets import LAMBDA, Kind
from serval.requests.lifecycle import action_for
from serval.requests.ports import CallbackQueue, RequestQueue, RequestStore
from serval.requests.request import OpenRequest

PERIOD = timedelta(minutes=10)
"""The time between two sweeps, and the least age of what they pick up."""
MOST_LATE = timedelta(minutes=1)
"""How late a sweep may run."""
LONGEST = timedelta(days=1)
"""The longest time between two messages about a request."""

Step = Literal["send", "look", "leave"]
"""What an open request needs: its message sent again, its outcome looked for, or nothing."""


def next_step(request: OpenRequest, kind: Kind | None, now: datetime) -> Step:
    """Decide what an open request needs, by the kind of its fleet; None: it needs no fleet."""
    if request.status == "running" and kind == "sagemaker":
        return "look" if now - datetime.fromisoformat(request.updated) >= PERIOD else "leave"
    since = request.updated if request.status == "queued" else request.lease_until
    return "send" if is_due(now - datetime.fromisoformat(since or request.updated)) else "leave"


def is_due(age: timedelta) -> bool:
    """Check whether a request has reached an age for a message since the last sweep."""
    if age < PERIOD:
        return False
    mark = PERIOD
    while mark * 2 <= min(age, LONGEST):
        mark *= 2
    return (age - mark) % LONGEST < PERIOD + MOST_LATE


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """Picks up requests that were left behind."""

    control: FleetControl
    store: RequestStore
    queue: RequestQueue
    callbacks: CallbackQueue
    complete: Complete
    clock: Clock = utc_now

    def sweep(self) -> dict[str, Any]:
        """Check all open requests and due callbacks; return what was done."""
        found = self._find()
        for model, request_ids in found.unsent.items():
            self.queue.send_all(model, request_ids)
        ended = self._reconcile(found.unseen)
        # Awake and idle fleets too: without ticks they would never be put to sleep.
        for fleet in sorted(found.in_use | found.awake):
            self.control.wake(fleet)
        uncalled = list(self.store.callbacks_due(timestamp(self.clock() - PERIOD)))
        for request_id in uncalled:
            self.callbacks.send(request_id)
        return {
            "sent": {model: len(request_ids) for model, request_ids in found.unsent.items()},
            "ended": ended,
            "woken": sorted(found.in_use),
            "called": len(uncalled),
            "stranded": found.stranded,
        }

    def _find(self) -> "SweepFindings":
        """Sort the open requests by what they need."""
        fleets, models = self.control.fleets.by_name, self.control.fleets.models
        states = [self.control.states.find(name) for name in fleets]
        paused = {model for state in states for model in state.paused}
        found, now = SweepFindings(), self.clock()
        found.awake |= {state.fleet for state in states if not state.asleep}
        for request in self.store.open():
            fleet = models.get(request.model)
            if fleet is None and request.fleet != LAMBDA:
                found.stranded += 1
                continue
            if fleet is not None and request.model not in paused:
                found.in_use.add(fleet)
            match next_step(request, fleets[fleet].kind if fleet else None, now):
                case "send":
                    found.unsent[request.model].append(request.id)
                case "look":
                    found.unseen.append(request.id)
        return found

    def _reconcile(self, request_ids: Sequence[str]) -> dict[str, str]:
        """Close what an endpoint has finished; send the messages of what it has lost."""
        now = self.clock()
        ended: dict[str, str] = {}
        for row in self.store.find_all(request_ids).values():
            outcome = self.complete.reconcile(row)
            if outcome is None and action_for(row, now) in ("run", "exhausted", "cancelled"):
                self.queue.send(row.model, row.id)
                outcome = "lost: its message was sent again"
            if outcome is not None:
                ended[row.id] = outcome
        return ended


@dataclass(slots=True)
class SweepFindings:
    """What the open requests need."""

    unsent: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """Ids of requests whose message may be lost, by model."""
    awake: set[str] = field(default_factory=set)
    """Fleets that have machines, busy or not."""
    unseen: list[str] = field(default_factory=list)
    """Ids of requests that an endpoint may have finished."""
    in_use: set[str] = field(default_factory=set)
    """Fleets with open requests."""
    stranded: int = 0
    """Requests of models that are no longer on any fleet."""
