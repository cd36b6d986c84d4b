"""Shards are worked on in a process of their own: what a file does to it hurts that shard alone.

Reading, parsing and writing happen there. Models stay here, where requests use them too: the
process asks for a run as it would ask an inference server, so nothing is in memory twice.

The shard process, as its worker sees it: started, told to stop, and how it has ended.
"""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from serval.batch.shard.tasks import LostShards, TaskOutcome
from serval.errors import InvalidRequest
from serval.inference.loaded import Loaded
from serval.inference.runtimes import RuntimeFailed
from serval.worker.program.faults import Retries
from serval.worker.program.threads import repeating
from serval.worker.shards.line import Channel, ChannelClosed, ChannelMessage

PROGRAM = (sys.executable, "-m", "serval.bootstrap.worker.shard_program")
END_SECONDS = 5.0
"""How long a process may take to end that has closed its end of the line."""


@dataclass(frozen=True, slots=True)
class ShardChild:
    """A process that works on shards, and dies with its worker: its standard input ends then."""

    channel: Channel
    process: "subprocess.Popen[bytes]"

    @classmethod
    def start(cls, program: Sequence[str] = PROGRAM) -> "ShardChild":
        """Start it; the last word of its command is the number of its end of the line."""
        ours, its = socket.socketpair()
        with its:
            number = its.fileno()
            process = subprocess.Popen(
                [*program, str(number)], stdin=subprocess.PIPE, pass_fds=[number]
            )
        return cls(Channel(ours), process)

    def stop(self) -> None:
        """Have it give back what it is working on."""
        if self.process.stdin is not None:
            with suppress(OSError):
                os.write(self.process.stdin.fileno(), b"stop\n")

    def end(self) -> str:
        """Wait for its end, which it is about to meet, or see to it; give how it came."""
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


def describe_exit(status: int) -> str:
    """Put the status of a process that has ended in words."""
    if status >= 0:
        return f"ended by itself with status {status}"
    name = signal.Signals(-status).name
    memory = ", as when memory runs out" if -status == signal.SIGKILL else ""
    return f"was ended by {name}{memory}"


LOOK_SECONDS = 0.25
"""How soon it is noticed that the worker is being stopped."""


@dataclass(slots=True, kw_only=True)
class ShardProcess:
    """``ShardRunner``: a process works on shards, and is kept; when it dies another one follows."""

    lost: LostShards
    load: Callable[[str, str], Loaded]
    """Gives a loaded version of a model."""
    stopping: Callable[[], bool]
    retries: Retries
    beat_seconds: float
    start: Callable[[], ShardChild] = ShardChild.start
    _child: ShardChild | None = field(default=None, init=False)

    def run(self, body: Mapping[str, Any], keep: Callable[[], object]) -> TaskOutcome:
        """Have a shard worked on to its end; one that the process dies of is given up."""
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
        """Say that nobody will work on a shard any more, and why."""
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
        """Load a version, or run it; what goes wrong is raised over there."""
        head = asked.head
        try:
            loaded = self.load(head["model"], head["version"])
            if head["ask"] == "load":
                return ChannelMessage({"is": "loaded", "record": loaded.record.to_json()})
            outputs = [loaded.outputs[name] for name in head["outputs"]]
            return ChannelMessage({"is": "answered"}, loaded.model.run(asked.tensors, outputs))
        except InvalidRequest as error:
            return ChannelMessage({"is": "refused", "why": str(error)})
        except RuntimeFailed as error:
            return ChannelMessage({"is": "failed", "why": str(error)})
        except Exception as error:
            return ChannelMessage({"is": "unavailable", "why": f"{type(error).__name__}: {error}"})

    def _keep(self, keep: Callable[[], object]) -> None:
        try:
            keep()
        except self.retries.errors as error:
            # The next beat may get through; if none does, another worker receives the message.
            self.retries.warn("keeping a shard's message", error)
