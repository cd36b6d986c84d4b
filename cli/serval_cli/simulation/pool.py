"""Simulate how ECS and EC2 follow a fleet's desired number of machines.

Machines of another capacity than the desired one work until others have replaced them. Surplus
machines go in this order: those still starting, then idle ones; workers with work are protected. A
machine without a worker is kept, and billed, for a while.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from random import Random

from serval.clock import timestamp
from serval.fleets.state import Capacity, WorkerState
from serval_cli.simulation.assumptions import Assumptions
from serval_cli.simulation.machines import Bill, Machine, Phase
from serval_cli.simulation.runs import Runs
from serval_cli.simulation.timeline import BEGINNING, Timeline

NOTICE_SECONDS = 120.0
"""Time between a spot notice and the end of the machine."""


@dataclass(slots=True)
class Pool:
    """``Machines`` of one fleet."""

    fleet: str
    given: Assumptions
    time: Timeline
    runs: Runs
    starts: Random
    ends: Random
    bill: Bill = field(default_factory=Bill)
    machines: list[Machine] = field(default_factory=list)
    """The machines that run or have been ordered."""
    wanted: int = 0
    capacity: Capacity = "spot"
    turns: int = 0
    """Number of changes of capacity."""
    reclaims: int = 0
    without_workers: list[tuple[float, float]] = field(default_factory=list)
    """Spans without a worker, except the current one."""
    _no_worker_since: float | None = 0.0
    _ordered: int = 0
    _surplus: bool = False

    def __post_init__(self) -> None:
        self.runs.on_idle = self._rest

    def set(self, fleet: str, machines: int, capacity: Capacity) -> None:
        """Set the desired number of machines and their capacity."""
        if (machines, capacity) == (self.wanted, self.capacity):
            return
        self.turns += capacity != self.capacity
        self.wanted, self.capacity = machines, capacity
        self.settle()

    def workers(self) -> Sequence[WorkerState]:
        """List the workers that take work."""
        seen = timestamp(self.time.clock())
        return [
            WorkerState(
                fleet=self.fleet,
                worker=f"{machine.number}.{machine.worker}",
                accelerator="simulated",
                started=timestamp(BEGINNING + timedelta(seconds=machine.since)),
                seen=seen,
                completed=machine.completed,
                busy_seconds=machine.busy_seconds,
                holding=len(machine.running),
            )
            for machine in self.of("working")
        ]

    def of(self, *phases: Phase) -> list[Machine]:
        """List the machines in some phases."""
        return [machine for machine in self.machines if machine.phase in phases]

    def settle(self) -> None:
        """Order missing machines and release surplus ones."""
        for machine in self.of("awaited", "starting"):
            if machine.capacity != self.capacity:
                self._remove(machine)
        own = [one for one in self._active() if one.capacity == self.capacity]
        for _ in range(self.wanted - len(own)):
            self._order()
        self._replace_others(sum(one.phase == "working" for one in own))
        surplus = len(own) - self.wanted
        for machine in [*reversed([one for one in own if one.pending]), *own]:
            if surplus > 0 and (machine.pending or machine.idle):
                self._release(machine)
                surplus -= 1
        self._surplus = surplus > 0

    def begin_at_once(self) -> None:
        """Start the workers of ordered machines now: they ran before the simulation began."""
        self.time.advance(self.time.now)
        for machine in self.of("starting"):
            self._begin(machine, machine.worker)

    def close(self) -> None:
        """Charge the remaining machines at the end of the simulation."""
        for machine in self.machines:
            self.bill.charge(machine, self.time.now)
        if self._no_worker_since is not None:
            self.without_workers.append((self._no_worker_since, self.time.now))

    def _active(self) -> Iterator[Machine]:
        return (machine for machine in self.machines if machine.phase != "empty")

    def _replace_others(self, own_at_work: int) -> None:
        """End workers of another capacity as far as they have been replaced."""
        others = [one for one in self.of("working") if one.capacity != self.capacity]
        for machine in others[max(0, self.wanted - own_at_work) :]:
            self._release(machine)

    def _order(self) -> None:
        for machine in self.of("empty"):
            if machine.capacity == self.capacity:
                self._enter(machine, "starting")
                self._start(machine, self.given.restart_seconds)
                return
        self._ordered += 1
        machine = Machine(self._ordered, self.capacity, "awaited", self.time.now)
        self.machines.append(machine)
        self.time.after(self._shortage(), partial(self._launch, machine))

    def _shortage(self) -> float:
        """Return the seconds until a machine becomes available."""
        begin, end = self.given.shortage_seconds or (0.0, 0.0)
        short = self.capacity == "spot" and begin <= self.time.now < end
        return end - self.time.now if short else 0.0

    def _launch(self, machine: Machine) -> None:
        if machine.phase != "awaited":
            return
        self._enter(machine, "starting")
        self._start(machine, self.starts.uniform(*self.given.start_up_seconds))
        if machine.capacity == "spot" and self.given.reclaims_per_hour > 0:
            life = self.ends.expovariate(self.given.reclaims_per_hour / 3600)
            self.time.after(life, partial(self._reclaim, machine))

    def _start(self, machine: Machine, seconds: float) -> None:
        machine.worker += 1
        self.time.after(seconds, partial(self._begin, machine, machine.worker))

    def _begin(self, machine: Machine, worker: int) -> None:
        if machine.phase != "starting" or machine.worker != worker:
            return
        self._enter(machine, "working")
        machine.completed, machine.busy_seconds = 0, 0.0
        self.settle()
        self.runs.join(machine)

    def _rest(self, machine: Machine) -> None:
        if self._surplus:
            self.settle()

    def _release(self, machine: Machine) -> None:
        """End a worker, or a machine that has not started one."""
        if machine.phase == "working":
            self.runs.interrupt(machine)
        if machine.phase == "awaited":
            self._remove(machine)
            return
        self._enter(machine, "empty")
        worker = machine.worker
        self.time.after(self.given.linger_seconds, partial(self._expire, machine, worker))

    def _expire(self, machine: Machine, worker: int) -> None:
        if machine.phase == "empty" and machine.worker == worker:
            self._remove(machine)

    def _reclaim(self, machine: Machine) -> None:
        if machine.phase == "gone":
            return
        if machine.phase == "working":
            self.reclaims += 1
            self.runs.interrupt(machine)
            self.bill.charge_notice(machine, NOTICE_SECONDS)
        self._remove(machine)
        self.settle()
        self.runs.assign()

    def _remove(self, machine: Machine) -> None:
        self._enter(machine, "gone")
        self.machines.remove(machine)

    def _enter(self, machine: Machine, phase: Phase) -> None:
        self.bill.charge(machine, self.time.now)
        machine.phase, machine.since = phase, self.time.now
        if (since := self._no_worker_since) is None:
            self._no_worker_since = None if self.of("working") else self.time.now
        elif phase == "working":
            self.without_workers.append((since, self.time.now))
            self._no_worker_since = None
