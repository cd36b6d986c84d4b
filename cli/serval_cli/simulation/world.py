"""Simulate one spot fleet, with its real control and tick, under a trace of requests."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from random import Random

from serval.fleets.control import FleetControl
from serval.fleets.scale.tick import Tick
from serval.fleets.state import FleetState
from serval.models.deployed_fleets import DeployedFleet, Fleets
from serval_cli.simulation.assumptions import Assumptions
from serval_cli.simulation.pool import Pool
from serval_cli.simulation.requests import Requests
from serval_cli.simulation.rows import Row
from serval_cli.simulation.runs import Runs
from serval_cli.simulation.timeline import Timeline

MINUTE = 60.0
PATIENCE_SECONDS = 6 * 3600.0
"""Time after the last request in which the simulation must come to an end."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The fleet's state at one minute."""

    at: float
    came: int
    """Requests since the previous sample."""
    asked: int
    """Desired number of machines."""
    working: int
    waiting: int
    oldest_age: float


@dataclass(slots=True)
class TickRule:
    """``Ticks`` that fire every minute while enabled, starting at a random moment."""

    time: Timeline
    random: Random
    tick: Callable[[], object] = lambda: None
    on: bool = False
    _epoch: int = 0

    def enable(self) -> None:
        """Start ticking."""
        if not self.on:
            self.on = True
            self._epoch += 1
            self.time.after(self.random.uniform(0, MINUTE), partial(self._tick, self._epoch))

    def disable(self) -> None:
        """Stop ticking."""
        self.on = False

    def _tick(self, epoch: int) -> None:
        if self.on and epoch == self._epoch:
            self.time.after(MINUTE, partial(self._tick, epoch))
            self.tick()


@dataclass(slots=True)
class World:
    """A fleet, its requests and its machines over time."""

    fleet: DeployedFleet
    given: Assumptions
    seed: int
    time: Timeline = field(default_factory=Timeline)
    samples: list[Sample] = field(default_factory=list)
    wakes: int = 0
    requests: Requests = field(init=False)
    pool: Pool = field(init=False)
    rule: TickRule = field(init=False)
    control: FleetControl = field(init=False)
    row: Row = field(init=False)

    def __post_init__(self) -> None:
        name, (model,) = self.fleet.name, self.fleet.models
        self.requests = Requests(model, name, self.fleet.target_age_seconds)
        runs = Runs(self.given, self.time, self.requests, self._random("runs"))
        self.pool = Pool(
            name, self.given, self.time, runs, self._random("starts"), self._random("reclaims")
        )
        self.rule = TickRule(self.time, self._random("ticks"))
        self.row = Row(FleetState(fleet=name), self.pool.workers)
        self.control = FleetControl(
            fleets=Fleets({name: self.fleet}),
            states=self.row,
            machines=self.pool,
            ticks=self.rule,
            clock=self.time.clock,
        )
        tick = Tick(
            control=self.control,
            store=self.requests,
            write=lambda line: None,
            clock=self.time.clock,
        )
        self.rule.tick = tick.tick

    def run(self, times: Iterable[float], progress: Callable[[float], None]) -> None:
        """Submit the requests, and go on until the last has its result and the fleet sleeps."""
        if self.fleet.minimum:
            self.control.wake_now(self.fleet)
            self.pool.begin_at_once()
        self._sample()
        for at in times:
            self.time.advance(at)
            self._submit()
            progress(at)
        end = self.time.now + PATIENCE_SECONDS
        while self.time.now < end and not self._at_rest():
            self.time.step()
        self.pool.close()

    def _submit(self) -> None:
        self.requests.submit(self.time.now)
        self.wakes += self.row.state.asleep
        self.control.wake(self.fleet.name)
        self.pool.runs.assign()

    def _at_rest(self) -> bool:
        if self.requests.waiting or self.requests.running:
            return False
        return self.row.state.machines <= self.fleet.minimum and not self.pool.of("empty")

    def _sample(self) -> None:
        before = sum(sample.came for sample in self.samples)
        self.samples.append(
            Sample(
                at=self.time.now,
                came=len(self.requests.came) - before,
                asked=self.row.state.machines,
                working=len(self.pool.of("working")),
                waiting=len(self.requests.waiting),
                oldest_age=self.requests.oldest_age(self.time.now),
            )
        )
        self.time.after(MINUTE, self._sample)

    def _random(self, purpose: str) -> Random:
        return Random(f"{self.seed} {purpose}")
