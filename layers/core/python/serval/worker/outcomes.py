"""How a worker's attempt at a request can end."""

from dataclasses import dataclass

from serval.errors import ServalError
from serval.worker.held import Held
from serval.worker.runs import Outputs


@dataclass(frozen=True, slots=True)
class Answered:
    """There is a result; the request's target has given it."""

    outputs: Outputs
    run_ms: float
    """What the run took that the request was part of."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The version, or the request, is at fault: the attempt counts."""

    error: ServalError


@dataclass(frozen=True, slots=True)
class GivenBack:
    """Nobody is at fault: the attempt does not count."""

    seconds: int = 0
    """When it may be tried again."""


@dataclass(frozen=True, slots=True)
class Unwanted:
    """Its caller has cancelled it."""


@dataclass(frozen=True, slots=True)
class Lost:
    """Its row says that another runner has it now."""


Outcome = Answered | Failed | GivenBack | Unwanted | Lost
Ended = tuple[Held, Outcome]
