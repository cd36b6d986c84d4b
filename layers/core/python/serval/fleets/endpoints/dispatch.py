"""Dispatching: a SageMaker fleet's endpoint is given what fits its window, and no more.

The window is twice its instances, at least one: enough to keep them busy, and little enough that
order, cancel and age go on meaning something in our own queues. One dispatch at a time looks at a
fleet: ``serval.fleets.endpoints.dispatch`` says which.

Duty: at most one dispatch at a time hands a fleet's requests over.

Whoever wants a fleet looked at counts one call more, and starts a dispatch only if none is on duty.
A dispatch leaves only if nobody has called since it last looked; else it looks again. So any number
of calls makes one or two looks, and no call is overheard.

Duty ends by itself: a dispatch that is not there soon after it was started, or has crashed, is in
nobody's way for long. Lambda starts a crashed one again, with the token that is on duty still.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Protocol

from serval.clock import Clock, utc_now
from serval.fleets.endpoints.attempt import HANDOVER
from serval.fleets.endpoints.hand_over import HandOver
from serval.fleets.endpoints.in_flight import recount as counted_again

STARTING = timedelta(seconds=15)
"""How long a dispatch that was started has to come."""
LOOKING = timedelta(seconds=65)
"""How long it may be on duty without looking again; its function is ended before."""


@dataclass(frozen=True, slots=True)
class Calls:
    """What a dispatch on duty has heard."""

    count: int
    """How often the fleet has ever been called for."""
    recount: bool = False
    """Whether to look first what the endpoint holds."""


class Duty(Protocol):
    """Who is on duty for each fleet; every method is one step, whoever else takes one."""

    def call(self, fleet: str, *, recount: bool = False) -> str | None:
        """Count a call; give the token of a dispatch to be started, None if one is on duty."""

    def take(self, fleet: str, token: str) -> Calls | None:
        """Come on duty, or go on; None: another one is on duty."""

    def leave(self, fleet: str, token: str, heard: Calls) -> bool:
        """Leave; False, and still on duty, if somebody has called since."""

    def give_up(self, fleet: str, token: str) -> None:
        """Leave, whoever has called: the next call starts another one."""


PER_INSTANCE = 2
WAIT_SECONDS = 1
"""How long a queue is asked to wait for a message; without any, it may overlook one."""
HIDDEN_SECONDS = int(HANDOVER.total_seconds())
CAPACITY_REMEMBERED = timedelta(seconds=10)
PATIENCE = timedelta(seconds=40)
"""How long one dispatch goes on; what is left is the next one's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatch:
    """Hands requests over, in weighted turns of a fleet's models."""

    handover: HandOver
    duty: Duty
    random: Random
    """Draws whose turn it is, by weight: no dispatch knows what the last one did."""
    clock: Clock = utc_now
    _capacities: dict[str, tuple[datetime, int]] = field(default_factory=dict)

    def dispatch(self, fleet: str, token: str) -> dict[str, int]:
        """Hand over what fits, again if called meanwhile; count what became of messages received.

        Another one that is on duty is left to it.
        """
        outcomes: Counter[str] = Counter()
        until = self.clock() + PATIENCE
        while (heard := self.duty.take(fleet, token)) is not None:
            try:
                self._hand_over(fleet, heard, outcomes, until)
            except Exception:
                self.duty.give_up(fleet, token)
                raise
            if self.duty.leave(fleet, token, heard):
                break
            if self.clock() >= until:
                self.duty.give_up(fleet, token)
                break
        return dict(outcomes)

    def _hand_over(self, fleet: str, heard: Calls, outcomes: Counter[str], until: datetime) -> None:
        control = self.handover.control
        window = max(1, PER_INSTANCE * self._capacity(fleet))
        state = (
            counted_again(control, self.handover.store, fleet, self.clock())
            if heard.recount
            else control.states.find(fleet)
        )
        free = window - state.in_flight
        models = [name for name in control.fleets.by_name[fleet].models if name not in state.paused]
        while free > 0 and models and self.clock() < until:
            model = self._whose_turn(models)
            found = self.handover.inbox.receive(model, 1, WAIT_SECONDS, HIDDEN_SECONDS)
            if not found:
                models.remove(model)
                continue
            outcome = self.handover.deal_with(found[0], fleet, window)
            outcomes[outcome] += 1
            free = 0 if outcome == "no room" else free - (outcome == "handed over")

    def _whose_turn(self, models: list[str]) -> str:
        weights = [self.handover.routing.weight_of(model) for model in models]
        return self.random.choices(models, weights)[0]

    def _capacity(self, fleet: str) -> int:
        now = self.clock()
        known = self._capacities.get(fleet)
        if known is None or now - known[0] >= CAPACITY_REMEMBERED:
            known = self._capacities[fleet] = (now, self.handover.endpoints.capacity(fleet))
        return known[1]
