"""Gathering: invocations that come at the same time to a server share its runs."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from serval.errors import InferenceFailed, InvalidRequest, ServalError
from serval.inference.batching import (
    BatchLimits,
    ShapeKey,
    complemented,
    joined,
    rows_in,
    shape_key,
    shareable,
)
from serval.inference.loaded import Loaded
from serval.inference.run import AxisNotShared, Outputs, run_alone, run_together
from serval.models.version import ModelVersion
from serval.protocol.request import InferenceRequest
from serval.worker.program.versions import LoadedMemory
from serval.worker.queue.turns import Turns

IDLE_SECONDS = 1.0
"""How long the loop waits for an invocation before it looks whether it is to stop."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What an invocation came to, and what it took."""

    outputs: Outputs
    load_ms: float
    """0: the version was in memory."""
    run_ms: float


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """One invocation that waits for its run."""

    record: ModelVersion
    request: InferenceRequest
    since: float
    answer: Future[Ran] = field(default_factory=Future)

    @property
    def sharing(self) -> tuple[str, ShapeKey] | None:
        """Give what it must have in common with those it shares a run with; None: nobody."""
        signature, inputs = self.record.signature, self.request.inputs
        if not shareable(signature) or complemented(inputs, signature) or rows_in(inputs) is None:
            return None
        return self.record.version, shape_key(self.request.inputs)

    @property
    def rows(self) -> int:
        """Count its rows, if it may share a run."""
        return rows_in(self.request.inputs) or 1

    @property
    def limits(self) -> BatchLimits:
        """Give the batch limits of its version."""
        return BatchLimits.of_bundle(self.record.bundle)


@dataclass(slots=True)
class Gather:
    """Runs invocations, a batch at a time, in weighted turns of their models."""

    memory: LoadedMemory
    clock: Callable[[], float]
    turns: Turns = field(default_factory=Turns)
    _waiting: dict[str, list[Asked]] = field(default_factory=dict)
    _unshared: set[tuple[str, str]] = field(default_factory=set)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _stopping: bool = False

    def submit(self, record: ModelVersion, request: InferenceRequest) -> Future[Ran]:
        """Have a request run; the future raises ``ServalError`` if it cannot be answered."""
        asked = Asked(record, request, self.clock())
        with self._changed:
            self._waiting.setdefault(record.model, []).append(asked)
            self._changed.notify_all()
        return asked.answer

    def run(self) -> None:
        """Run what comes, until ``stop`` is called."""
        while not self._stopping:
            with self._changed:
                if not self._waiting:
                    self._changed.wait(IDLE_SECONDS)
                elif (left := self._until_due()) > 0:
                    self._changed.wait(left)
            self.run_next()

    def stop(self) -> None:
        """Stop after the run that is under way."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def run_next(self) -> bool:
        """Run the batch of the model whose turn it is; False: nobody's requests are due."""
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
        """Tell when a model's first requests are to be run: when they fill a batch, or are old."""
        waiting = self._waiting[model]
        limits = waiting[0].limits
        if sum(asked.rows for asked in waiting) >= limits.rows or not self._key(waiting[0]):
            return 0.0
        return waiting[0].since + limits.wait_seconds

    def _until_due(self) -> float:
        return min(self._due(model) for model in self._waiting) - self.clock()

    def _key(self, asked: Asked) -> tuple[str, ShapeKey] | None:
        known = (asked.record.model, asked.record.version)
        return None if known in self._unshared else asked.sharing

    def _take(self, model: str) -> list[Asked]:
        """Take a model's first request, and those that share its run."""
        first, *others = self._waiting.pop(model)
        batch, rest, rows = [first], [], first.rows
        key = self._key(first)
        for asked in others:
            if key and self._key(asked) == key and rows + asked.rows <= first.limits.rows:
                batch.append(asked)
                rows += asked.rows
            else:
                rest.append(asked)
        if rest:
            self._waiting[model] = rest
        return batch

    def _answer(self, batch: Sequence[Asked]) -> None:
        """Load, run, and give everybody an answer, whatever happens."""
        try:
            ended = self._run(batch)
        except ServalError as error:
            ended = [error for _ in batch]
        except BaseException as error:
            for asked in batch:
                asked.answer.set_exception(error)
            return
        for asked, result in zip(batch, ended, strict=True):
            if isinstance(result, ServalError):
                asked.answer.set_exception(result)
            else:
                asked.answer.set_result(result)

    def _run(self, batch: Sequence[Asked]) -> Sequence[Ran | ServalError]:
        record, before = batch[0].record, self.clock()
        cold = f"{record.model}:{record.version}" not in self.memory.names()
        loaded = self.memory.load(record)
        load_ms = (self.clock() - before) * 1e3 if cold else 0.0
        if len(batch) > 1:
            try:
                return self._together(loaded, batch, load_ms)
            except AxisNotShared:
                self._unshared.add((record.model, record.version))
            except (InferenceFailed, InvalidRequest):
                pass  # Each is asked again by itself, and says what is wrong with it.
        return [self._alone(loaded, asked, load_ms) for asked in batch]

    def _together(self, loaded: Loaded, batch: Sequence[Asked], load_ms: float) -> list[Ran]:
        started = self.clock()
        inputs = joined([asked.request.inputs for asked in batch])
        shares = run_together(loaded, [asked.request for asked in batch], inputs)
        run_ms = (self.clock() - started) * 1e3
        return [Ran(outputs, load_ms, run_ms) for outputs in shares]

    def _alone(self, loaded: Loaded, asked: Asked, load_ms: float) -> Ran | ServalError:
        started = self.clock()
        result = run_alone(loaded, asked.request)
        if isinstance(result, ServalError):
            return result
        return Ran(result, load_ms, (self.clock() - started) * 1e3)
