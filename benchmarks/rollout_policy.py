"""Measure how the canary policy treats good and bad candidates, in 1,000 seeded rollouts of each.

Run as ``python -m benchmarks.rollout_policy``. Traffic, errors and latencies are drawn at random;
every look goes through the real ``decide`` at the times it asks for. Metrics are those CloudWatch
would have: counts and latency percentiles of the step's window, without its last seconds.
"""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

import numpy as np
import numpy.typing as npt
from rich import box
from rich.console import Console
from rich.table import Table

from serval.rollouts.policy.bounds import quantile_ranks
from serval.rollouts.policy.canary_policy import CanaryPolicy, WhenIdle
from serval.rollouts.policy.decide import (
    QUANTILE,
    Hold,
    Promote,
    RollBack,
    Step,
    TakeStep,
    TrackMetrics,
    decide,
)
from serval.rollouts.policy.windows import Window, complete_window
from serval.rollouts.steps.evaluate import SETTLING

ROLLOUTS = 1000
SEED = 20261121
BEGIN = datetime(2026, 11, 21, tzinfo=UTC)
METRIC_LAG = timedelta(seconds=90)
"""The default in the settings of ``evaluate``."""
HORIZON_SECONDS = 7 * 86400.0
"""A rollout that still holds after this time counts as held."""
MEDIAN_MS = 40.0
SPREAD = 0.5
"""Standard deviation of the latencies' logarithm: their p95 is 2.3 times their median."""
STABLE_ERRORS = 0.001
KEPT = 0.5
"""Latencies below this many deviations over the median are drawn, but affect no percentile."""

MINUTELY = 1 / 60

Ending = Literal["rolled back", "promoted", "held"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A kind of candidate, and the traffic it gets."""

    name: str
    errors: float = STABLE_ERRORS
    slowness: float = 1.0
    requests_per_second: float = 20.0
    when_idle: WhenIdle = "promote"


CANDIDATES = (
    Candidate("as good as stable"),
    Candidate("0.3 % errors", errors=0.003),
    Candidate("0.9 % errors", errors=0.009),
    Candidate("1.1 % errors", errors=0.011),
    Candidate("2 % errors", errors=0.02),
    Candidate("5 % errors", errors=0.05),
    Candidate("1.15 times slower", slowness=1.15),
    Candidate("1.3 times slower", slowness=1.3),
    Candidate("1.5 times slower", slowness=1.5),
    Candidate("2 times slower", slowness=2.0),
    Candidate("0.3 % errors", errors=0.003, requests_per_second=0.5),
    Candidate("5 % errors", errors=0.05, requests_per_second=0.5),
    Candidate("2 times slower", slowness=2.0, requests_per_second=0.5),
    Candidate("as good as stable", requests_per_second=MINUTELY),
    Candidate("2 % errors", errors=0.02, requests_per_second=MINUTELY),
    Candidate("5 % errors", errors=0.05, requests_per_second=MINUTELY),
    Candidate("20 % errors", errors=0.2, requests_per_second=MINUTELY),
    Candidate("2 times slower", slowness=2.0, requests_per_second=MINUTELY),
    Candidate("4 times slower", slowness=4.0, requests_per_second=MINUTELY),
    Candidate("as good as stable", requests_per_second=MINUTELY / 10),
    Candidate("5 % errors", errors=0.05, requests_per_second=MINUTELY / 10),
    Candidate("any", requests_per_second=0),
    Candidate("any, when_idle: hold", requests_per_second=0, when_idle="hold"),
)


@dataclass(slots=True)
class Traffic:
    """One version's requests in a step, from the start of its window."""

    random: np.random.Generator
    requests_per_second: float
    error_rate: float
    slowness: float
    seconds: float = 0.0
    requests: int = 0
    errors: int = 0
    slow: list[npt.NDArray[np.float64]] = field(default_factory=list)
    """The larger latencies, as deviations of their logarithm."""

    def within(self, window: Window | None) -> TrackMetrics:
        """Draw the traffic since the last look, and return the metrics of the window."""
        seconds = (window.end - window.start).total_seconds() if window else 0.0
        if seconds > self.seconds:
            expected = self.requests_per_second * (seconds - self.seconds)
            requests = int(self.random.poisson(expected))
            errors = int(self.random.binomial(requests, self.error_rate))
            drawn = self.random.standard_normal(requests - errors)
            self.slow.append(drawn[drawn > KEPT])
            self.requests += requests
            self.errors += errors
            self.seconds = seconds
        return TrackMetrics(self.requests, self.errors, *self._percentiles())

    def _percentiles(self) -> Iterator[float]:
        """Yield the latency quantile and its lower and upper bound."""
        answered = self.requests - self.errors
        slow = np.concatenate(self.slow) if self.slow else np.empty(0)
        if slow.size == 0:
            yield from (0.0, 0.0, 0.0)
            return
        quantiles = np.array((QUANTILE, *quantile_ranks(QUANTILE, answered)))
        places = np.ceil(quantiles * answered).astype(int) - 1 - (answered - slow.size)
        places = places.clip(0, slow.size - 1)
        deviations = np.partition(slow, places)[places]
        yield from (MEDIAN_MS * self.slowness * np.exp(SPREAD * deviations)).tolist()


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a rollout ended."""

    ending: Ending
    seconds: float
    requests: int
    """Requests to the candidate until then."""


def roll_out(candidate: Candidate, random: np.random.Generator) -> Outcome:
    """Roll a candidate out."""
    policy = CanaryPolicy(when_idle=candidate.when_idle)
    percent, seconds, requests = policy.steps_percent[0], 0.0, 0.0
    while True:
        decision, age = take_step(policy, percent, candidate, random)
        seconds += age
        requests += candidate.requests_per_second * percent / 100 * age
        if isinstance(decision, TakeStep) and seconds < HORIZON_SECONDS:
            percent = decision.percent
            continue
        endings: dict[type, Ending] = {RollBack: "rolled back", Promote: "promoted"}
        return Outcome(endings.get(type(decision), "held"), seconds, round(requests))


def take_step(
    policy: CanaryPolicy, percent: int, candidate: Candidate, random: np.random.Generator
) -> tuple[Hold | TakeStep | Promote | RollBack, float]:
    """Look at one step until there is a decision; return it with the step's age in seconds."""
    rate = candidate.requests_per_second / 100
    stable = Traffic(random, rate * (100 - percent), STABLE_ERRORS, 1.0)
    tried = Traffic(random, rate * percent, candidate.errors, candidate.slowness)
    since = BEGIN + timedelta(seconds=random.uniform(0, 60))
    age = 0.0
    while True:
        window = complete_window(since + SETTLING, since + timedelta(seconds=age) - METRIC_LAG)
        metrics = stable.within(window), tried.within(window)
        decision = decide(policy, Step(percent, age), *metrics)
        if not isinstance(decision, Hold) or age >= HORIZON_SECONDS:
            return decision, age
        age += decision.seconds


def simulate(candidate: Candidate, rollouts: int = ROLLOUTS, seed: int = SEED) -> list[Outcome]:
    """Roll a candidate out many times; the same seed gives the same outcomes."""
    kind = int.from_bytes(repr(candidate).encode())
    return [roll_out(candidate, np.random.default_rng((seed, kind, n))) for n in range(rollouts)]


def share(outcomes: Sequence[Outcome], ending: Ending) -> float:
    """Return the percentage of rollouts with an ending."""
    return 100 * sum(outcome.ending == ending for outcome in outcomes) / len(outcomes)


def duration(seconds: float) -> str:
    """Format a duration in the unit that suits it."""
    if seconds >= HORIZON_SECONDS:
        return "none"
    return f"{seconds / 60:.0f} min" if seconds < 2 * 3600 else f"{seconds / 3600:.1f} h"


def table(rollouts: int = ROLLOUTS) -> Table:
    """Simulate every candidate, and render the outcomes."""
    made = Table(box=box.MARKDOWN)
    made.add_column("candidate")
    for heading in (
        "requests/s",
        "rolled back",
        "promoted",
        "held",
        "verdict after",
        "candidate's requests",
    ):
        made.add_column(heading, justify="right")
    for candidate in CANDIDATES:
        outcomes = simulate(candidate, rollouts)
        made.add_row(
            candidate.name,
            f"{candidate.requests_per_second:.3g}",
            *(f"{share(outcomes, end):.1f} %" for end in ("rolled back", "promoted", "held")),
            duration(statistics.median(outcome.seconds for outcome in outcomes)),
            f"{statistics.median(outcome.requests for outcome in outcomes):,.0f}",
        )
    return made


if __name__ == "__main__":
    Console(width=120).print(table())
