"""Simulate runs: idle workers take the oldest waiting requests."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from random import Random

from serval_cli.simulation.assumptions import Assumptions
from serval_cli.simulation.machines import Machine
from serval_cli.simulation.requests import Requests
from serval_cli.simulation.timeline import Timeline


@dataclass(slots=True)
class Runs:
    """Assigns requests to workers."""

    given: Assumptions
    time: Timeline
    requests: Requests
    random: Random
    on_idle: Callable[[Machine], None] = lambda machine: None
    """Called with a worker that has run out of work."""
    _idle: deque[Machine] = field(default_factory=deque)

    def join(self, machine: Machine) -> None:
        """Assign requests to a new worker."""
        self._idle.append(machine)
        self.assign()

    def assign(self) -> None:
        """Assign waiting requests to idle workers."""
        while self.requests.waiting and self._idle:
            machine = self._idle.popleft()
            if machine.idle:
                self._begin(machine)

    def interrupt(self, machine: Machine) -> None:
        """Interrupt a worker's run, returning its requests to the queue."""
        if machine.running:
            machine.busy_seconds += self.time.now - machine.run_began
            self.requests.give_back(machine.running, self.time.now)
            machine.running = []

    def _begin(self, machine: Machine) -> None:
        machine.running = self.requests.begin(self.given.batch, self.time.now)
        machine.run += 1
        machine.run_began = self.time.now
        length = self.given.seconds_per_request * self.random.uniform(
            1 - self.given.spread, 1 + self.given.spread
        )
        length *= 1 + self.given.batch_cost * (len(machine.running) - 1)
        self.time.after(length, partial(self._end, machine, machine.run))

    def _end(self, machine: Machine, run: int) -> None:
        if machine.run != run or not machine.running:
            return
        machine.busy_seconds += self.time.now - machine.run_began
        machine.completed += len(machine.running)
        self.requests.finish(machine.running, self.time.now)
        machine.running = []
        if self.requests.waiting:
            self._begin(machine)
            return
        self._idle.append(machine)
        self.on_idle(machine)
