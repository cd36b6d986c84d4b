"""The streams of a worker: it writes a piece of each in turn, and appends them to their logs."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from serval.clock import Clock
from serval.errors import InferenceFailed, ServalError
from serval.faults import fault_of
from serval.inference.loaded import Loaded
from serval.models.tensor import Tensor
from serval.requests.ports import RequestStore
from serval.requests.stream.log import StreamLog
from serval.worker.program.faults import RETRY_SECONDS, Retries
from serval.worker.queue.finish import Finish
from serval.worker.queue.held import Held
from serval.worker.queue.outcomes import (
    Answered,
    Failed,
    GivenBack,
    Lost,
    Outcome,
    Unwanted,
    WorkerCounts,
)
from serval.worker.streams.text import (
    APPEND_SECONDS,
    MOST_BEHIND,
    RETRY_APPEND_SECONDS,
    OpenText,
    WorkerStream,
    open_text,
)

LOOK_SECONDS = 2.0
"""How often rows are read for what their callers wish."""
IDLE_SECONDS = 1.0
PAUSE_SECONDS = 0.01
"""How long it waits for logs while there is nothing to write."""
OPEN_DAYS = 14
"""How long a request may wait for another attempt: as long as its queue keeps messages."""


@dataclass(slots=True, kw_only=True)
class Streams:
    """Writes streams, each as a batch of its own, a piece of each in turn.

    One thread calls ``work`` or ``write_out``; any may call the other methods.
    """

    log: StreamLog
    store: RequestStore
    finish: Finish
    counts: WorkerCounts
    retries: Retries
    pool: Executor
    """Appends to logs, and ends streams."""
    clock: Clock
    monotonic: Callable[[], float]
    changed: threading.Condition
    """Told when a stream has ended, so that there is room for another one."""
    open: OpenText = open_text
    _streams: list[WorkerStream] = field(default_factory=list)
    _looked: float = 0.0
    _leaving: bool = False
    _finishing: list["Future[None]"] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Return whether anything is written."""
        return bool(self._streams)

    def start(self, loaded: Loaded, held: Held) -> None:
        """Start to write the stream of a request whose attempt has begun.

        A text that is known only as a whole is written here, by the thread that runs batches, while
        others are written piece by piece; unless it is to run alone.

        Raises
        ------
        InvalidRequest
            If it asks for what is no stream of the version.
        InferenceFailed
            If it cannot be written.
        """
        text = self.open(loaded, held)
        stream = WorkerStream(held, loaded.record.version, text, held.logged)
        if not stream.alone:
            with self._charge(stream):
                stream.begin()
        with self.changed:
            self._streams.append(stream)
            self.changed.notify_all()

    def work(self, stopping: Callable[[], bool]) -> None:
        """Write until the worker is being stopped."""
        while not stopping():
            with self.changed:
                self.changed.wait_for(lambda: stopping() or self._streams, IDLE_SECONDS)
            self._write_on()

    def write_out(
        self, late: Callable[[], bool], outcome: Callable[[WorkerStream], Outcome]
    ) -> None:
        """Write until all streams have ended; those for which it is too late get an outcome.

        It is not too late for a text that only the log lacks.
        """
        while any(stream.ended or not late() for stream in self._streams):
            self._write_on()
        self._leave(outcome)
        self._note_finished()

    def forget(self) -> None:
        """Forget what a failure has left behind: the leases end by themselves."""
        with self.changed:
            self._streams, self._finishing = [], []

    def round(self) -> bool:
        """Write a piece of each stream whose turn it is; return whether there was one."""
        if self._leaving:
            self.give_back()
        self._note_finished()
        if self.monotonic() - self._looked >= LOOK_SECONDS:
            self._looked = self.monotonic()
            self._look_again()
        wrote = [self._advance(stream) for stream in self._take_turns()]
        return any(wrote)

    def make_room(self) -> None:
        """Return all streams to their queues, and wait: another version needs the memory.

        The thread that writes does it, so it must be another one.
        """
        with self.changed:
            self._leaving = True
            self.changed.notify_all()
            self.changed.wait_for(lambda: not self._leaving)

    def give_back(self) -> None:
        """Append what all streams have written, and return them to their queues."""
        self._leave(lambda _: GivenBack())

    def _leave(self, outcome: Callable[[WorkerStream], Outcome]) -> None:
        """Append what all streams have written, and end their attempts."""
        with self.changed:
            leaving, self._streams = self._streams, []
        list(self.pool.map(self._append_rest, leaving))
        self.finish.finish([(stream.held, outcome(stream)) for stream in leaving])
        wait(self._finishing)
        with self.changed:
            self._leaving = False
            self.changed.notify_all()

    def _write_on(self) -> None:
        """Write a piece of each stream; if there was none to write, wait a moment for the logs."""
        if not self.round():
            with self.changed:
                self.changed.wait(PAUSE_SECONDS)

    def _take_turns(self) -> Sequence[WorkerStream]:
        """List the streams that are written now: all, but for those that wait to run alone."""
        with self.changed:
            if self._streams and self._streams[0].alone:
                return self._streams[:1]
            return [stream for stream in self._streams if not stream.alone]

    def _advance(self, stream: WorkerStream) -> bool:
        """Take a stream further; return whether a piece was written."""
        if (outcome := self._judge(stream)) is not None:
            self._end(stream, outcome)
            return False
        wrote = False
        if not stream.ended and stream.behind < MOST_BEHIND and stream.text.ready():
            if (outcome := self._try(stream, stream.write)) is not None:
                self._end(stream, outcome)
                return False
            wrote = True
        due = stream.ended or self.monotonic() >= stream.due
        if stream.behind and due and stream.appending is None:
            self._append(stream)
        if stream.ended and not stream.behind:
            self._end(stream, None)
        return wrote

    def _judge(self, stream: WorkerStream) -> Outcome | None:
        """Return why a stream is not to go on, if it is not."""
        if not self.finish.close.owns(stream.held, stream.row):
            return Lost()
        if stream.row.cancel_requested:
            return Unwanted()
        if stream.appending is None or not stream.appending.done():
            return None
        appending, stream.appending = stream.appending, None
        try:
            appended = appending.result()
        except self.retries.errors as error:
            self.retries.warn(f"appending to {stream.row.id}", error)
            stream.due = self.monotonic() + RETRY_APPEND_SECONDS
            return None
        if not appended:
            # Another writer was first: the next attempt goes on from what it has written.
            return GivenBack()
        stream.note_appended()
        return None

    def _try(self, stream: WorkerStream, work: Callable[[], object]) -> Outcome | None:
        """Do some of a stream's work; return the outcome of a stream that cannot go on."""
        try:
            with self._charge(stream):
                work()
        except ServalError as error:
            return GivenBack(RETRY_SECONDS) if fault_of(error) == "stage" else Failed(error)
        return None

    @contextmanager
    def _charge(self, stream: WorkerStream) -> Iterator[None]:
        """Charge a stream alone with its time, and with what breaks its writing."""
        started = self.monotonic()
        try:
            yield
        except ServalError:
            raise
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
            raise InferenceFailed(stream.row.model, stream.version, said) from error
        finally:
            stream.run_seconds += self.monotonic() - started

    def _append(self, stream: WorkerStream) -> None:
        chunk = stream.take_chunk()
        stream.due = self.monotonic() + APPEND_SECONDS
        stream.appending = self.pool.submit(
            self.log.append, stream.row.id, chunk, self._expires(stream)
        )
        if stream.ended:
            stream.appending.add_done_callback(lambda _: self._notify())

    def _expires(self, stream: WorkerStream) -> datetime:
        return self.clock() + timedelta(days=OPEN_DAYS + stream.row.keep_days)

    def _end(self, stream: WorkerStream, outcome: Outcome | None) -> None:
        """End a stream; without an outcome, by its answer."""
        with self.changed:
            self._streams.remove(stream)
            self.changed.notify_all()
        self._finishing.append(self.pool.submit(self._finish, stream, outcome))

    def _note_finished(self) -> None:
        """Raise what has gone wrong at the end of a stream: the worker's own fault ends it."""
        for finished in [one for one in self._finishing if one.done()]:
            self._finishing.remove(finished)
            finished.result()

    def _finish(self, stream: WorkerStream, outcome: Outcome | None) -> None:
        outputs: list[Tensor] = []
        if outcome is None:
            outcome = self._try(stream, lambda: outputs.extend(stream.text.outputs()))
        outcome = outcome or Answered(outputs, stream.run_seconds * 1e3)
        ended = [(stream.held, outcome)]
        self.counts.count_run(ended, stream.run_seconds)
        self.finish.finish(ended)

    def _append_rest(self, stream: WorkerStream) -> None:
        """Append what a stream has written; what fails is written again by the next attempt."""
        try:
            if stream.appending is not None and stream.appending.result():
                stream.note_appended()
            while stream.behind and self.log.append(
                stream.row.id, stream.take_chunk(), self._expires(stream)
            ):
                stream.note_appended()
        except self.retries.errors as error:
            self.retries.warn(f"appending to {stream.row.id}", error)

    def _look_again(self) -> None:
        with self.changed:
            streams = list(self._streams)
        if streams:
            self.pool.submit(partial(self._read_rows, streams))

    def _read_rows(self, streams: Sequence[WorkerStream]) -> None:
        try:
            rows = self.store.find_all([stream.row.id for stream in streams])
        except self.retries.errors as error:
            self.retries.warn("looking at rows of streams", error)
            return
        for stream in streams:
            stream.held.row = rows.get(stream.row.id, stream.held.row)

    def _notify(self) -> None:
        with self.changed:
            self.changed.notify_all()
