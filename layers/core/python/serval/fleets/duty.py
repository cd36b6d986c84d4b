"""Duty: at most one dispatch at a time hands a fleet's requests over.

Whoever wants a fleet looked at counts one call more, and starts a dispatch only if none is on duty.
A dispatch leaves only if nobody has called since it last looked; else it looks again. So any number
of calls makes one or two looks, and no call is overheard.

Duty ends by itself: a dispatch that is not there soon after it was started, or has crashed, is in
nobody's way for long. Lambda starts a crashed one again, with the token that is on duty still.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

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
