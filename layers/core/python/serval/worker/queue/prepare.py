"""Prepare: messages of one model become a batch that is ready to run.

Messages of requests that other workers are to answer are passed on to their queue.

Rows are read together and judged; bodies are fetched and read for the version that the route
chooses; requests of one version and shape are gathered; as the last step before the run, their
attempts begin.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from datetime import timedelta

from serval.clock import Clock
from serval.errors import InferenceFailed, ServalError
from serval.inference.batch_limits import BatchLimits
from serval.inference.batching import gather, join_inputs
from serval.models.route import KnownVersions
from serval.requests import lifecycle
from serval.requests.ports import Payloads, RequestStore, change
from serval.requests.request import AsyncRequest
from serval.requests.stream.log import StreamLog
from serval.worker.program.faults import RETRY_SECONDS, Retries
from serval.worker.program.loaded_memory import LoadedMemory
from serval.worker.queue.batch import Batch
from serval.worker.queue.close import Close
from serval.worker.queue.held import Fate, Held, Holdings, WaitingMessages
from serval.worker.queue.read import fetch_body, fetch_chunks, read_for_target
from serval.worker.queue.targets import Targets
from serval.worker.queue.turns import Turn

MOST_MESSAGES = 256
"""Messages in one batch, however many rows it may have, since each costs a write."""
MOST_BYTES = 256 * 2**20
"""Bytes of bodies in one batch; the first body is read however large it is."""


def failure_of(one: Held, error: Exception) -> InferenceFailed:
    """Build the error for a request that broke the worker's own code."""
    return InferenceFailed(one.known.model, one.aim.version, f"{type(error).__name__}: {error}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepare:
    """Prepares batches."""

    worker: str
    """Its id, which the rows of what it runs name."""
    store: RequestStore
    payloads: Payloads
    streams: StreamLog
    versions: KnownVersions
    targets: Targets
    memory: LoadedMemory
    close: Close
    holdings: Holdings
    waiting: WaitingMessages
    retries: Retries
    pool: Executor
    clock: Clock
    monotonic: Callable[[], float]
    lease: timedelta
    stopping: Callable[[], bool] = lambda: False

    def learn(self, models: Iterable[str]) -> None:
        """Look up the models' batch limits before the first messages are taken."""
        for model in models:
            try:
                self.versions.version(model, self.versions.route(model).stable)
            except self.retries.errors as error:
                self.retries.warn(f"looking {model!r} up", error)
            except ServalError:
                pass  # It has no version yet; whoever asks for one is told.

    def prepare(self, turn: Turn) -> Batch | None:
        """Make a batch of a model's first messages; return None if none is to be run."""
        most = min(self.targets.limits(turn.model).rows, MOST_MESSAGES)
        taken = self._sift(self.waiting.take(turn.model, most))
        fetched = self._keep(self._within_bytes(turn.model, taken), self._fetch, self.pool.map)
        group = self._gather(turn.model, self._keep(fetched, self._read))
        if group:
            self._load_ahead(group[0])
        begun = [] if self.stopping() else self._keep(group, self._begin, self.pool.map)
        if not begun:
            return None
        batch = Batch(turn.model, begun[0].aim.version, begun, turn, self.monotonic())
        if len(begun) > 1 and not batch.streams:
            batch.inputs = join_inputs([one.read.inputs for one in begun])
        return batch

    def _sift(self, taken: Sequence[Held]) -> list[Held]:
        """Read the rows, and end those that are not to be run."""
        ids = [one.message.request_id for one in taken if one.message.request_id]
        try:
            rows = self.store.find_all(ids)
        except self.retries.errors as error:
            self.retries.warn("reading rows", error)
            self.holdings.settle((one, RETRY_SECONDS) for one in taken)
            return []
        for one in taken:
            one.row = rows.get(one.message.request_id)
        return self._keep(taken, self.close.judge)

    def _within_bytes(self, model: str, runnable: Sequence[Held]) -> Sequence[Held]:
        """Choose as many as memory has room for, and put the others back."""
        size, count = 0, 0
        for one in runnable:
            size += one.known.payload_bytes
            if count and size > MOST_BYTES:
                break
            count += 1
        self.waiting.put_back(model, runnable[count:])
        return runnable[:count]

    def _fetch(self, one: Held) -> Fate | None:
        try:
            fetch_body(one, self.payloads)
            fetch_chunks(one, self.streams)
        except ServalError as error:
            return self.close.fail_unbegun(one, error)
        return None

    def _read(self, one: Held) -> Fate | None:
        try:
            self.targets.aim(one)
            if (track := self.targets.elsewhere(one)) is not None:
                return self.holdings.pass_on(one, track)
            read_for_target(one, self.versions.version)
        except self.retries.errors:
            raise
        except ServalError as error:
            return self.close.fail_unbegun(one, error)
        except Exception as error:
            # What breaks the reading of one request is charged to it, as what breaks its run is.
            if one.target is None:
                raise
            return self._begin(one) or self.close.fail(one, failure_of(one, error))
        return None

    def _gather(self, model: str, readable: Sequence[Held]) -> list[Held]:
        """Choose those that share a run with the first one, and put the others back."""
        if not readable:
            return []
        record = self.versions.version(model, readable[0].aim.version)
        most_rows = BatchLimits.of_bundle(record.bundle).rows
        group, rest = gather(readable, self.targets.share_key, lambda one: one.rows, most_rows)
        self.waiting.put_back(model, rest)
        return group

    def _load_ahead(self, one: Held) -> None:
        """Load the next version while another runs; a failure is only logged, as it will recur."""
        try:
            self.memory.load_ahead(self.versions.version(one.known.model, one.aim.version))
        except self.retries.errors as error:
            self.retries.warn("loading ahead", error)
        except ServalError as error:
            self.retries.warn("loading ahead", error)

    def _begin(self, one: Held) -> Fate | None:
        """Begin the attempt in the row, unless another runner has, or it is not to run any more.

        Others write there, too, such as who waits for its end.
        """

        def begin(row: AsyncRequest) -> AsyncRequest | None:
            now = self.clock()
            if lifecycle.action_for(row, now) != "run":
                return None
            begun = lifecycle.begin(row, self.worker, now, self.lease)
            return replace(begun, version=one.aim.version)

        after = change(self.store, one.known, begin)
        if after is None:
            return "leave"
        one.row, one.attempt = after, after.attempt
        return None

    def _keep(
        self,
        held: Iterable[Held],
        judge: Callable[[Held], Fate | None],
        each: Callable[..., Iterable[tuple[Held, Fate | None]]] = map,
    ) -> list[Held]:
        """Settle the messages that get a fate, and return the others.

        Parameters
        ----------
        each
            Maps the judge over the messages, one by one or many at once.
        """

        def judge_one(one: Held) -> tuple[Held, Fate | None]:
            try:
                return one, judge(one)
            except self.retries.errors as error:
                self.retries.warn(f"preparing {one.message.request_id}", error)
                return one, RETRY_SECONDS

        results = list(each(judge_one, held))
        self.holdings.settle((one, fate) for one, fate in results if fate is not None)
        return [one for one, fate in results if fate is None]
