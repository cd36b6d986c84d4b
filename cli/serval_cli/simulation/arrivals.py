"""Read the arrival times of requests from a file, or draw them at random.

``poisson:RPS`` is a steady rate. ``evening:PLAYERS`` rises from no players to that many and falls
again; each player asks every half minute on average, without waiting for the last answer.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from serval_cli.failures import CommandFailed

PLAYER_SECONDS = 30.0
"""Average time between two requests of a player."""
EVENING_HOURS = 6.0
POISSON_HOURS = 4.0
FORMS = "a file with a time on each line, poisson:RPS or evening:PLAYERS"

Rate = Callable[[float], float]


@dataclass(frozen=True, slots=True)
class Trace:
    """Arrival times in order, in seconds from the beginning."""

    name: str
    seconds: float
    """Length of the trace."""
    times: Iterator[float]


def open_trace(asked: str, hours: float | None, seed: int) -> Trace:
    """Open the trace that a command line names.

    Raises
    ------
    CommandFailed
        If there is no such trace.
    """
    kind, _, number = asked.partition(":")
    random = Random(f"{seed} arrivals")
    if kind == "poisson" and number:
        rate = _positive(number, asked)
        seconds = (hours or POISSON_HOURS) * 3600
        return Trace(asked, seconds, draw_times(lambda at: rate, rate, seconds, random))
    if kind == "evening" and number:
        seconds = (hours or EVENING_HOURS) * 3600
        peak = _positive(number, asked) / PLAYER_SECONDS
        return Trace(asked, seconds, draw_times(evening_rate(peak, seconds), peak, seconds, random))
    return read_trace(Path(asked), hours)


def evening_rate(peak: float, seconds: float) -> Rate:
    """Return a rate that rises from zero to its peak and falls again, along a cosine."""
    return lambda at: peak / 2 * (1 - math.cos(2 * math.pi * at / seconds))


def draw_times(rate: Rate, highest: float, seconds: float, random: Random) -> Iterator[float]:
    """Draw a Poisson process of varying rate, by thinning one of the highest rate."""
    at = random.expovariate(highest)
    while at < seconds:
        if random.random() * highest < rate(at):
            yield at
        at += random.expovariate(highest)


def read_trace(path: Path, hours: float | None) -> Trace:
    """Read a trace from a file: a time in the first column of each line, in seconds or ISO 8601."""
    try:
        lines = path.read_text().splitlines()
    except OSError as error:
        raise CommandFailed(f"--trace {path}: {error.strerror}; {FORMS} expected") from None
    times = sorted(
        _time(line, path, number) for number, line in enumerate(lines, 1) if line.strip()
    )
    if not times:
        raise CommandFailed(f"--trace {path}: the file holds no times")
    shifted = [at - times[0] for at in times]
    seconds = hours * 3600 if hours else shifted[-1]
    return Trace(path.name, seconds, iter([at for at in shifted if at <= seconds]))


def _time(line: str, path: Path, number: int) -> float:
    text = line.split(",")[0].strip()
    try:
        return float(text)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise CommandFailed(
            f"--trace {path} line {number}: {text!r} given, seconds or an ISO 8601 time expected"
        ) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _positive(text: str, asked: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not value > 0 or math.isinf(value):
        raise CommandFailed(f"--trace {asked}: {text!r} given, a number above 0 expected")
    return value
