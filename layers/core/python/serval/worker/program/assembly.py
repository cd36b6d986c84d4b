"""Assembly: build a worker from its ports."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from serval.fleets.canaries import Sides
from serval.inference.loaded import LoadedVersions
from serval.models.metrics import InferenceMetrics
from serval.models.route import KnownVersions, Track
from serval.requests.end_attempt import EndAttempt
from serval.worker.program.faults import Retries
from serval.worker.program.loaded_memory import LoadedMemory
from serval.worker.program.machine import Protection
from serval.worker.program.ports import Executors, Ports, WorkerIdentity
from serval.worker.queue.batch import ReadyBatches
from serval.worker.queue.close import Close
from serval.worker.queue.drain import Drain
from serval.worker.queue.fetch import Fetch
from serval.worker.queue.finish import Finish, FinishSlots
from serval.worker.queue.heartbeat import Heartbeat
from serval.worker.queue.held import Holdings, WaitingMessages
from serval.worker.queue.loop import Worker
from serval.worker.queue.outcomes import WorkerCounts
from serval.worker.queue.prepare import Prepare
from serval.worker.queue.report import Report
from serval.worker.queue.run import Runner
from serval.worker.queue.schedule import TurnSchedule
from serval.worker.queue.targets import Targets
from serval.worker.queue.turns import Turns
from serval.worker.shards.shards import Shards
from serval.worker.streams.streams import Streams


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerParts:
    """The parts of a worker that others share."""

    ports: Ports
    identity: WorkerIdentity
    executors: Executors
    stopping: threading.Event
    paused: set[str]
    retries: Retries
    versions: KnownVersions
    targets: Targets
    memory: LoadedMemory
    waiting: WaitingMessages
    holdings: Holdings
    ready: ReadyBatches
    close: Close
    counts: WorkerCounts
    finish: Finish
    streams: Streams
    sides: Sides | None

    @classmethod
    def of(
        cls,
        ports: Ports,
        identity: WorkerIdentity,
        loaded: LoadedVersions,
        executors: Executors,
        sides: Sides | None = None,
    ) -> "WorkerParts":
        """Build the parts."""
        stopping, waiting = threading.Event(), WaitingMessages()
        retries = Retries(ports.unanswered, executors.pause or stopping.wait, ports.log)
        holdings = Holdings(ports.inbox, retries)
        counts = WorkerCounts(InferenceMetrics(write=ports.log, spare=0))
        loaded.count_failed_steps = counts.count_failed_steps
        end_attempt = EndAttempt(
            store=ports.store,
            dead_letters=ports.inbox,
            callbacks=ports.callbacks,
            clock=executors.clock,
        )
        close = Close(identity.worker, end_attempt, ports.payloads, executors.clock)
        finish = Finish(close, holdings, counts, retries, executors.calls)
        versions, memory = KnownVersions(ports.registry, executors.monotonic), LoadedMemory(loaded)
        return cls(
            ports=ports,
            identity=identity,
            executors=executors,
            stopping=stopping,
            paused=set(),
            retries=retries,
            versions=versions,
            targets=Targets(versions, sides),
            memory=memory,
            waiting=waiting,
            holdings=holdings,
            ready=ReadyBatches(waiting.changed, stopping.is_set),
            close=close,
            counts=counts,
            finish=finish,
            streams=Streams(
                log=ports.streams,
                store=ports.store,
                finish=finish,
                counts=counts,
                retries=retries,
                pool=executors.appends,
                clock=executors.clock,
                monotonic=executors.monotonic,
                changed=waiting.changed,
            ),
            sides=sides,
        )

    def worker(self) -> Worker:
        """Build the worker from its parts."""
        shards = self.shards()
        runner, report = self.runner(), self.report(shards)
        finish_slots, clock = FinishSlots(self.executors.finishes), self.executors.monotonic
        return Worker(
            models=self.identity.models,
            queues=self.queues,
            schedule=TurnSchedule(self.waiting, self.ready, Turns(), self.targets.limits, clock),
            ready=self.ready,
            fetch=self.fetch(),
            prepare=self.prepare(),
            runner=runner,
            streams=self.streams,
            shards=shards,
            finish=self.finish,
            heartbeat=self.heartbeat(),
            report=report,
            counts=self.counts,
            finish_slots=finish_slots,
            drain=Drain(
                ready=self.ready,
                holdings=self.holdings,
                runner=runner,
                streams=self.streams,
                finish=self.finish,
                finish_slots=finish_slots,
                report=report,
                clock=clock,
            ),
            notices=self.ports.spot,
            stopping=self.stopping,
            intervals=self.identity.intervals,
            clock=clock,
        )

    @property
    def queues(self) -> Sequence[tuple[str, Track]]:
        """The queues of the models, and of their candidates."""
        own: list[tuple[str, Track]] = [(model, "stable") for model in self.identity.models]
        paired = self.sides.fleet.paired if self.sides else ()
        return [*own, *((model, "candidate") for model in paired)]

    def fetch(self) -> Fetch:
        """Build what takes messages."""
        return Fetch(
            inbox=self.ports.inbox,
            waiting=self.waiting,
            holdings=self.holdings,
            limits=self.targets.limits,
            paused=self.paused,
            takes=self.targets.takes,
            stopping=self.stopping.is_set,
            retries=self.retries,
            clock=self.executors.monotonic,
            wait_seconds=self.identity.poll_seconds,
            visibility_seconds=int(self.identity.lease.total_seconds()),
        )

    def prepare(self) -> Prepare:
        """Build what makes batches of them."""
        return Prepare(
            worker=self.identity.worker,
            store=self.ports.store,
            payloads=self.ports.payloads,
            streams=self.ports.streams,
            versions=self.versions,
            targets=self.targets,
            memory=self.memory,
            close=self.close,
            holdings=self.holdings,
            waiting=self.waiting,
            retries=self.retries,
            pool=self.executors.calls,
            clock=self.executors.clock,
            monotonic=self.executors.monotonic,
            lease=self.identity.lease,
            stopping=self.stopping.is_set,
        )

    def runner(self) -> Runner:
        """Build what runs batches."""
        return Runner(
            store=self.ports.store,
            versions=self.versions,
            targets=self.targets,
            memory=self.memory,
            close=self.close,
            retries=self.retries,
            streams=self.streams,
            clock=self.executors.monotonic,
            stopping=self.stopping.is_set,
        )

    def shards(self) -> Shards | None:
        """Build what works on shards of batch jobs."""
        if self.ports.shard_queue is None or self.ports.shard_runner is None:
            return None
        stopping = self.stopping
        return Shards(
            queue=self.ports.shard_queue,
            runner=self.ports.shard_runner(
                self.memory, self.versions, self.retries, stopping.is_set
            ),
            paused=self.paused,
            stopping=stopping,
            retries=self.retries,
            wait_seconds=self.identity.poll_seconds,
            visibility_seconds=int(self.identity.lease.total_seconds()),
        )

    def heartbeat(self) -> Heartbeat:
        """Build what keeps leases."""
        return Heartbeat(
            self.ports.store,
            self.close,
            self.holdings,
            self.retries,
            self.executors.beats,
            self.executors.clock,
            self.identity.lease,
        )

    def report(self, shards: Shards | None) -> Report:
        """Build what writes the worker's row."""
        return Report(
            fleet=self.identity.fleet,
            worker=self.identity.worker,
            accelerator=self.identity.accelerator,
            states=self.ports.states,
            counts=self.counts,
            holdings=self.holdings,
            shards=shards,
            waiting=self.waiting,
            finish=self.finish,
            memory=self.memory,
            protection=Protection(self.ports.task),
            paused=self.paused,
            sides=self.sides,
            retries=self.retries,
            clock=self.executors.clock,
            monotonic=self.executors.monotonic,
        )


def assemble(
    ports: Ports,
    identity: WorkerIdentity,
    loaded: LoadedVersions,
    executors: Executors,
    sides: Sides | None = None,
) -> Worker:
    """Build a worker; its server, if it has one, goes by the same ``sides``."""
    return WorkerParts.of(ports, identity, loaded, executors, sides).worker()
