"""Dispatch: hand requests of a SageMaker fleet to its endpoint, up to a window.

The window is twice the endpoint's instances, at least one: enough to keep them busy, and few enough
that order, cancel and age still matter in Serval's queues.

One dispatch at a time is on duty for a fleet. Whoever wants a fleet dispatched counts a call, and
starts a dispatch only if none is on duty. A dispatch leaves only if nobody has called since its
last round; otherwise it makes another. So any number of calls makes one or two rounds, and none is
missed.

Duty expires: a dispatch that does not start soon, or has crashed, does not block others for long.
Lambda restarts a crashed one with the same token, which may still be on duty.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Protocol

from serval.clock import Clock, utc_now
from serval.fleets.endpoints.attempt import HANDOVER
from serval.fleets.endpoints.hand_over import HandOver
from serval.fleets.endpoints.in_flight import recount

STARTING = timedelta(seconds=15)
"""How long a dispatch may take to start."""
LOOKING = timedelta(seconds=65)
"""How long a round may take; the function times out before."""


@dataclass(frozen=True, slots=True)
class Calls:
    """The calls that a dispatch on duty knows of."""

    count: int
    """How many there have ever been for the fleet."""
    recount: bool = False
    """Whether to count first what the endpoint holds."""


class Duty(Protocol):
    """Which dispatch is on duty for each fleet; every method is atomic."""

    def call(self, fleet: str, *, recount: bool = False) -> str | None:
        """Count a call; return the token of a dispatch to start, or None if one is on duty."""

    def take(self, fleet: str, token: str) -> Calls | None:
        """Take or keep the duty; None if another dispatch has it."""

    def leave(self, fleet: str, token: str, heard: Calls) -> bool:
        """Leave the duty; False, and keep it, if somebody has called since."""

    def give_up(self, fleet: str, token: str) -> None:
        """Leave the duty in any case; the next call starts another dispatch."""


PER_INSTANCE = 2
WAIT_SECONDS = 1
"""How long to poll a queue; without a wait it may miss a message."""
HIDDEN_SECONDS = int(HANDOVER.total_seconds())
CAPACITY_REMEMBERED = timedelta(seconds=10)
PATIENCE = timedelta(seconds=40)
"""How long a dispatch goes on; the next one continues."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatch:
    """Dispatches requests, in weighted turns of a fleet's models."""

    hand_over: HandOver
    duty: Duty
    random: Random
    """Draws the next model by weight: dispatches share no memory."""
    clock: Clock = utc_now
    _capacities: dict[str, tuple[datetime, int]] = field(default_factory=dict)

    def dispatch(self, fleet: str, token: str) -> dict[str, int]:
        """Hand over what fits, again if called meanwhile; count the outcomes of messages.

        Do nothing if another dispatch is on duty.
        """
        outcomes: Counter[str] = Counter()
        until = self.clock() + PATIENCE
        while (heard := self.duty.take(fleet, token)) is not None:
            try:
                self._fill_window(fleet, heard, outcomes, until)
            except Exception:
                self.duty.give_up(fleet, token)
                raise
            if self.duty.leave(fleet, token, heard):
                break
            if self.clock() >= until:
                self.duty.give_up(fleet, token)
                break
        return dict(outcomes)

    def _fill_window(
        self, fleet: str, heard: Calls, outcomes: Counter[str], until: datetime
    ) -> None:
        control = self.hand_over.control
        window = max(1, PER_INSTANCE * self._capacity(fleet))
        state = (
            recount(control, self.hand_over.store, fleet, self.clock())
            if heard.recount
            else control.states.find(fleet)
        )
        free = window - state.in_flight
        models = [name for name in control.fleets.by_name[fleet].models if name not in state.paused]
        while free > 0 and models and self.clock() < until:
            model = self._draw_model(models)
            found = self.hand_over.inbox.receive(model, 1, WAIT_SECONDS, HIDDEN_SECONDS)
            if not found:
                models.remove(model)
                continue
            outcome = self.hand_over.hand_over(found[0], fleet, window)
            outcomes[outcome] += 1
            free = 0 if outcome == "no room" else free - (outcome == "handed over")

    def _draw_model(self, models: list[str]) -> str:
        weights = [self.hand_over.routing.weight_of(model) for model in models]
        return self.random.choices(models, weights)[0]

    def _capacity(self, fleet: str) -> int:
        now = self.clock()
        known = self._capacities.get(fleet)
        if known is None or now - known[0] >= CAPACITY_REMEMBERED:
            known = self._capacities[fleet] = (now, self.hand_over.endpoints.capacity(fleet))
        return known[1]
