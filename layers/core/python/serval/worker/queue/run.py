"""Run: a batch becomes outcomes, one for each of its requests."""

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, cast, runtime_checkable

from serval.errors import InferenceFailed, InvalidRequest, ServalError
from serval.faults import fault_of
from serval.inference.loaded import Loaded
from serval.inference.run import AxisNotShared, run_together, try_request
from serval.models.route import KnownVersions
from serval.models.version import PIPELINE
from serval.requests.ports import RequestStore
from serval.worker.program.faults import RETRY_SECONDS, Retries, VersionNotHeld
from serval.worker.program.loaded_memory import LoadedMemory
from serval.worker.queue.batch import Batch
from serval.worker.queue.close import Close
from serval.worker.queue.held import Held
from serval.worker.queue.outcomes import (
    Answered,
    Ended,
    Failed,
    GivenBack,
    HandedOver,
    Lost,
    Outcome,
    Streaming,
    Unwanted,
)
from serval.worker.queue.read import read_for_target
from serval.worker.queue.targets import Targets
from serval.worker.streams.streams import Streams

if TYPE_CHECKING:  # models of tensors pay for no pipeline
    from serval.pipelines.model import PipelineModel

FRESH_SECONDS = 1.0
"""How old a row may be when its request runs."""


@runtime_checkable
class Interruptible(Protocol):
    """A loaded artifact whose run can be ended from another thread."""

    def interrupt(self) -> None:
        """End the run that is under way, and every later one, with ``RuntimeFailed``."""


@runtime_checkable
class HandsOver(Protocol):
    """A version that something else runs, by request."""

    def hand_over(self, request_id: str, attempt: int) -> None:
        """Have an attempt at a request made there."""


@dataclass(slots=True, kw_only=True)
class Runner:
    """Runs batches, one at a time."""

    store: RequestStore
    versions: KnownVersions
    targets: Targets
    memory: LoadedMemory
    close: Close
    retries: Retries
    streams: Streams
    clock: Callable[[], float]
    stopping: Callable[[], bool] = lambda: False
    """Whether the worker is being stopped: then no further single request is started."""
    run_seconds: float = 0.0
    """How long the last batch ran, without loading."""
    _loaded: Loaded | None = None
    _interrupted: threading.Event = field(default_factory=threading.Event)

    def run(self, batch: Batch) -> list[Ended]:
        """Run a batch; requests that fail together run again one by one.

        Streams are only started: they are no part of what has ended.
        """
        self.run_seconds = 0.0
        ended = self._find_unwanted(batch)
        if ended:
            gone = {one for one, _ in ended}
            batch.held = [one for one in batch.held if one not in gone]
            batch.inputs = None
        if batch.held:
            ended += self._run(batch)
        self._loaded = None
        try:
            self.memory.tidy()
        except self.retries.errors as error:
            self.retries.warn("letting versions go", error)
        return [each for each in ended if not isinstance(each[1], Streaming)]

    def interrupt(self) -> None:
        """End the run that is under way; its requests are given back."""
        self._interrupted.set()
        loaded = self._loaded
        if loaded is not None and isinstance(loaded.model, Interruptible):
            loaded.model.interrupt()

    def _run(self, batch: Batch) -> list[Ended]:
        try:
            loaded = self._loaded = self._load(batch.model, batch.version)
        except self.retries.errors as error:
            self.retries.warn(f"loading {batch.model}:{batch.version}", error)
            return [(one, GivenBack(RETRY_SECONDS)) for one in batch.held]
        except ServalError as error:
            return [(one, self._instead(one, error)) for one in batch.held]
        if isinstance(loaded.model, HandsOver):
            return [(one, self._hand_over(loaded.model, one)) for one in batch.held]
        if len(batch.held) > 1 and not batch.streams and not self._interrupted.is_set():
            try:
                return self._together(loaded, batch)
            except AxisNotShared:
                self.targets.sharing.exclude(batch.model, batch.version)
            except (InferenceFailed, InvalidRequest) as error:
                self.retries.warn(f"{len(batch.held)} requests of {batch.model!r} together", error)
        return [(one, self._alone(loaded, one)) for one in batch.held]

    def _together(self, loaded: Loaded, batch: Batch) -> list[Ended]:
        started = self.clock()
        try:
            shares = run_together(loaded, [one.read for one in batch.held], batch.inputs)
        finally:
            took = self.clock() - started
            self.run_seconds += took
        return [
            (one, Answered(outputs, took * 1e3, asked_versions(loaded)))
            for one, outputs in zip(batch.held, shares, strict=True)
        ]

    def _alone(self, loaded: Loaded, one: Held) -> Outcome:
        if self._interrupted.is_set() or (self.run_seconds and self.stopping()):
            return GivenBack()
        if one.known.cancel_requested:
            return Unwanted()
        if one.known.stream:
            return self._start_stream(loaded, one)
        started = self.clock()
        result = try_request(loaded, one.read)
        took = self.clock() - started
        self.run_seconds += took
        if not isinstance(result, ServalError):
            return Answered(result, took * 1e3, asked_versions(loaded))
        return GivenBack() if self._interrupted.is_set() else self._instead(one, result)

    def _hand_over(self, model: HandsOver, one: Held) -> Outcome:
        if one.known.cancel_requested:
            return Unwanted()
        try:
            model.hand_over(one.known.id, one.known.attempt)
        except self.retries.errors as error:
            self.retries.warn(f"handing over {one.known.id}", error)
            return GivenBack(RETRY_SECONDS)
        return HandedOver()

    def _start_stream(self, loaded: Loaded, one: Held) -> Outcome:
        if self.stopping():
            return GivenBack()
        try:
            self.streams.start(loaded, one)
        except ServalError as error:
            return self._instead(one, error)
        return Streaming()

    def _instead(self, one: Held, failure: ServalError) -> Outcome:
        """Let the stable version answer what the candidate could not, in the same attempt."""
        if isinstance(failure.__cause__, VersionNotHeld) and one.candidate_failure is not None:
            return self._leave_to_stable(one, one.candidate_failure)
        if one.fallback is None:
            nobodys = fault_of(failure) == "stage"
            return GivenBack(RETRY_SECONDS) if nobodys else Failed(failure)
        self.retries.warn(f"candidate of {one.known.model!r}", failure)
        one.turn_to_stable(failure)
        try:
            read_for_target(one, self.versions.version)
            loaded = self._loaded = self._load(one.known.model, one.aim.version)
        except self.retries.errors as error:
            self.retries.warn("turning to the stable version", error)
            return GivenBack(RETRY_SECONDS)
        except ServalError as error:
            return self._instead(one, error)
        return self._alone(loaded, one)

    def _leave_to_stable(self, one: Held, failure: ServalError) -> Outcome:
        """End an attempt of the candidate, which has the stable version's place on this machine."""
        try:
            elsewhere = self.targets.elsewhere(one)
        except self.retries.errors as error:
            self.retries.warn("turning to the stable version", error)
            return GivenBack(RETRY_SECONDS)
        if elsewhere:
            return GivenBack(failure=failure)
        # Where neither is held, the route has gone on to another candidate meanwhile.
        return GivenBack(RETRY_SECONDS) if fault_of(failure) == "stage" else Failed(failure)

    def _load(self, model: str, version: str) -> Loaded:
        record = self.versions.version(model, version)
        if self.streams and not self.memory.has_room(record):
            self.streams.make_room()
        return self.memory.load(record)

    def _find_unwanted(self, batch: Batch) -> list[Ended]:
        """Find requests that were cancelled or lost since they were prepared."""
        if self.clock() - batch.prepared > FRESH_SECONDS:
            self._look_again(batch.held)
        ended: list[Ended] = []
        for one in batch.held:
            if not self.close.owns(one, one.known):
                ended.append((one, Lost()))
            elif one.known.cancel_requested:
                ended.append((one, Unwanted()))
        return ended

    def _look_again(self, held: Sequence[Held]) -> None:
        try:
            rows = self.store.find_all([one.known.id for one in held])
        except self.retries.errors as error:
            self.retries.warn("looking at rows again", error)
            return
        for one in held:
            one.row = rows.get(one.known.id, one.row)


def asked_versions(loaded: Loaded) -> str | None:
    """Return which versions the steps of the last run asked, as JSON, if it was a pipeline's."""
    if loaded.record.runtime != PIPELINE:
        return None
    return json.dumps(cast("PipelineModel", loaded.model).times.versions)
