"""The shard process, which reads, parses and writes, so that a bad file hurts its shard alone.

Models stay in the worker, where requests use them too: the process asks for a run as it would ask
an inference server, so nothing is in memory twice.
"""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from serval.batch.shard.tasks import LostShards, TaskOutcome
from serval.errors import InferenceFailed, InvalidRequest
from serval.inference.loaded import Loaded
from serval.inference.run import Outputs, run_batch_task
from serval.inference.runtimes import RuntimeFailed
from serval.processes import describe_exit
from serval.worker.program.faults import Retries, VersionNotHeld
from serval.worker.program.threads import repeating
from serval.worker.shards.line import Channel, ChannelClosed, ChannelMessage

PROGRAM = (sys.executable, "-m", "serval.bootstrap.worker.shard_program")
END_SECONDS = 5.0
"""How long a process may take to end after it has closed its end of the channel."""


@dataclass(frozen=True, slots=True)
class ShardChild:
    """A running shard process; it dies with its worker, when its standard input ends."""

    channel: Channel
    process: "subprocess.Popen[bytes]"

    @classmethod
    def start(cls, program: Sequence[str] = PROGRAM) -> "ShardChild":
        """Start the process; the last word of its command is the descriptor of its end."""
        ours, its = socket.socketpair()
        with its:
            number = its.fileno()
            process = subprocess.Popen(
                [*program, str(number)], stdin=subprocess.PIPE, pass_fds=[number]
            )
        return cls(Channel(ours), process)

    def stop(self) -> None:
        """Make the process give back its shard."""
        if self.process.stdin is not None:
            with suppress(OSError):
                os.write(self.process.stdin.fileno(), b"stop\n")

    def end(self) -> str:
        """Wait for the process to end, or kill it; return how it ended."""
        self.channel.close()
        try:
            status = self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return "said what no process of Serval says, and was ended"
        finally:
            if self.process.stdin is not None:
                self.process.stdin.close()
        return describe_exit(status)


LOOK_SECONDS = 0.25
"""How soon a stop of the worker is noticed."""


@dataclass(slots=True, kw_only=True)
class ShardProcess:
    """``ShardRunner`` that keeps one process, and starts another one when it dies."""

    lost: LostShards
    load: Callable[[str, str], Loaded]
    """Returns a loaded version of a model."""
    stopping: Callable[[], bool]
    retries: Retries
    beat_seconds: float
    start: Callable[[], ShardChild] = ShardChild.start
    _child: ShardChild | None = field(default=None, init=False)

    def run(self, body: Mapping[str, Any], keep: Callable[[], object]) -> TaskOutcome:
        """Run a shard to its end; one that kills the process is given up."""
        try:
            child = self._child = self._child or self.start()
        except OSError as error:
            self.retries.warn("starting the shard process", error)
            return "unanswered"
        try:
            with repeating(lambda: self._keep(keep), self.beat_seconds):
                return self._await_end(child, body)
        except ChannelClosed:
            self._child = None
            self.give_up(body, f"the process that worked on it {child.end()}")
            return "done"

    def give_up(self, body: Mapping[str, Any], reason: str) -> None:
        """Report that no worker will try a shard again, and why."""
        self.lost.give_up(body, reason)

    def _await_end(self, child: ShardChild, body: Mapping[str, Any]) -> TaskOutcome:
        child.channel.send(ChannelMessage({"shard": dict(body)}))
        told = False
        while True:
            if self.stopping() and not told:
                child.stop()
                told = True
            if not child.channel.ready(LOOK_SECONDS):
                continue
            message = child.channel.receive()
            if "ended" in message.head:
                ended: TaskOutcome = message.head["ended"]
                return ended
            child.channel.send(self._answer(message))

    def _answer(self, asked: ChannelMessage) -> ChannelMessage:
        """Load or run a version; errors are raised in the process that asked."""
        head = asked.head
        try:
            loaded = self.load(head["model"], head["version"])
            if head["ask"] == "load":
                return ChannelMessage({"is": "loaded", "record": loaded.record.to_json()})
            return ChannelMessage({"is": "answered"}, run_asked(loaded, asked))
        except InvalidRequest as error:
            return ChannelMessage({"is": "refused", "why": str(error)})
        except (RuntimeFailed, InferenceFailed) as error:
            return ChannelMessage({"is": "failed", "why": str(error)})
        except Exception as error:
            if isinstance(error.__cause__, VersionNotHeld) and error.__cause__.awaited:
                return ChannelMessage({"is": "waits"})
            return ChannelMessage({"is": "unavailable", "why": f"{type(error).__name__}: {error}"})

    def _keep(self, keep: Callable[[], object]) -> None:
        try:
            keep()
        except self.retries.errors as error:
            # The next beat may get through; if none does, another worker receives the message.
            self.retries.warn("keeping a shard's message", error)


def run_asked(loaded: Loaded, asked: ChannelMessage) -> Outputs:
    """Run a version, or its task, as a message asks."""
    if loaded.record.batch_task is not None:
        return run_batch_task(loaded, asked.tensors)
    return loaded.model.run(asked.tensors, [loaded.outputs[name] for name in asked.head["outputs"]])
