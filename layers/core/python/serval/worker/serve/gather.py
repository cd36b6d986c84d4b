"""Gather: invocations that reach a server at the same time share its runs."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from serval.errors import InferenceFailed, InvalidRequest, ServalError
from serval.inference.batch_limits import BatchLimits
from serval.inference.batching import ShareKey, Sharing, gather, rows_in
from serval.inference.loaded import Loaded
from serval.inference.run import AxisNotShared, Outputs, run_together, try_request
from serval.models.version import ModelVersion
from serval.protocol.request import InferenceRequest
from serval.worker.program.loaded_memory import LoadedMemory
from serval.worker.queue.turns import Turns

IDLE_SECONDS = 1.0
"""How long the loop waits for an invocation before it checks whether to stop."""


@dataclass(frozen=True, slots=True)
class Ran:
    """The outputs of an invocation, and the time that they took."""

    outputs: Outputs
    load_ms: float
    """0 if the version was in memory."""
    run_ms: float


@dataclass(frozen=True, slots=True, eq=False)
class Invocation:
    """An invocation that waits for its run."""

    record: ModelVersion
    request: InferenceRequest
    since: float
    answer: Future[Ran] = field(default_factory=Future)

    @property
    def rows(self) -> int:
        """Count the rows that it brings to a shared run."""
        return rows_in(self.request.inputs[:1]) or 1

    @property
    def limits(self) -> BatchLimits:
        """Return the batch limits of its version."""
        return BatchLimits.of_bundle(self.record.bundle)


@dataclass(slots=True)
class Gather:
    """Runs invocations, a batch at a time, in weighted turns of their models."""

    memory: LoadedMemory
    clock: Callable[[], float]
    turns: Turns = field(default_factory=Turns)
    sharing: Sharing = field(default_factory=Sharing)
    _waiting: dict[str, list[Invocation]] = field(default_factory=dict)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _stopping: bool = False

    def submit(self, record: ModelVersion, request: InferenceRequest) -> Future[Ran]:
        """Queue a request; the future raises ``ServalError`` if it cannot be answered."""
        invocation = Invocation(record, request, self.clock())
        with self._changed:
            self._waiting.setdefault(record.model, []).append(invocation)
            self._changed.notify_all()
        return invocation.answer

    def run(self) -> None:
        """Run invocations until ``stop`` is called."""
        while not self._stopping:
            with self._changed:
                if not self._waiting:
                    self._changed.wait(IDLE_SECONDS)
                elif (left := self._seconds_until_due()) > 0:
                    self._changed.wait(left)
            self.run_next()

    def stop(self) -> None:
        """Stop after the current run."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def run_next(self) -> bool:
        """Run the batch of the model whose turn it is; return whether any was due."""
        with self._changed:
            now = self.clock()
            model = self.turns.first(m for m in self._waiting if self._due(m) <= now)
            if model is None:
                return False
            turn = self.turns.take(model, self._waiting[model][0].limits.weight)
            batch = self._take(model)
        self.turns.serve(turn)
        started = self.clock()
        self._answer(batch)
        with self._changed:
            self.turns.settle(turn, self.clock() - started)
        return True

    def _due(self, model: str) -> float:
        """Return when a model's first invocations are due: once they fill a batch, or are old."""
        waiting = self._waiting[model]
        limits = waiting[0].limits
        if sum(one.rows for one in waiting) >= limits.rows or not self._share_key(waiting[0]):
            return 0.0
        return waiting[0].since + limits.wait_seconds

    def _seconds_until_due(self) -> float:
        return min(self._due(model) for model in self._waiting) - self.clock()

    def _share_key(self, invocation: Invocation) -> ShareKey | None:
        return self.sharing.key(invocation.record, invocation.request.inputs)

    def _take(self, model: str) -> list[Invocation]:
        """Take a model's first invocation, and those that share its run."""
        waiting = self._waiting.pop(model)
        batch, rest = gather(waiting, self._share_key, lambda one: one.rows, waiting[0].limits.rows)
        if rest:
            self._waiting[model] = rest
        return batch

    def _answer(self, batch: Sequence[Invocation]) -> None:
        """Load, run, and answer every invocation, whatever happens."""
        try:
            ended = self._run(batch)
        except ServalError as error:
            ended = [error for _ in batch]
        except BaseException as error:
            for invocation in batch:
                invocation.answer.set_exception(error)
            return
        for invocation, result in zip(batch, ended, strict=True):
            if isinstance(result, ServalError):
                invocation.answer.set_exception(result)
            else:
                invocation.answer.set_result(result)

    def _run(self, batch: Sequence[Invocation]) -> Sequence[Ran | ServalError]:
        record, before = batch[0].record, self.clock()
        cold = f"{record.model}:{record.version}" not in self.memory.names()
        loaded = self.memory.load(record)
        load_ms = (self.clock() - before) * 1e3 if cold else 0.0
        if len(batch) > 1:
            try:
                return self._run_together(loaded, batch, load_ms)
            except AxisNotShared:
                self.sharing.exclude(record.model, record.version)
            except (InferenceFailed, InvalidRequest):
                pass  # Each one runs again alone, so that its error is its own.
        return [self._run_alone(loaded, one, load_ms) for one in batch]

    def _run_together(
        self, loaded: Loaded, batch: Sequence[Invocation], load_ms: float
    ) -> list[Ran]:
        started = self.clock()
        shares = run_together(loaded, [one.request for one in batch])
        run_ms = (self.clock() - started) * 1e3
        return [Ran(outputs, load_ms, run_ms) for outputs in shares]

    def _run_alone(self, loaded: Loaded, one: Invocation, load_ms: float) -> Ran | ServalError:
        started = self.clock()
        result = try_request(loaded, one.request)
        if isinstance(result, ServalError):
            return result
        return Ran(result, load_ms, (self.clock() - started) * 1e3)
