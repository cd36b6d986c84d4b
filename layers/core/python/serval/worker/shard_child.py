"""The shard process, as its worker sees it: started, told to stop, and how it has ended."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from serval.worker.shard_line import Line

PROGRAM = (sys.executable, "-m", "serval.bootstrap.shard_program")
END_SECONDS = 5.0
"""How long a process may take to end that has closed its end of the line."""


@dataclass(frozen=True, slots=True)
class ShardChild:
    """A process that works on shards, and dies with its worker: its standard input ends then."""

    line: Line
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
        return cls(Line(ours), process)

    def stop(self) -> None:
        """Have it give back what it is working on."""
        if self.process.stdin is not None:
            with suppress(OSError):
                os.write(self.process.stdin.fileno(), b"stop\n")

    def end(self) -> str:
        """Wait for its end, which it is about to meet, or see to it; give how it came."""
        self.line.close()
        try:
            status = self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return "said what no process of Serval says, and was ended"
        finally:
            if self.process.stdin is not None:
                self.process.stdin.close()
        return how(status)


def how(status: int) -> str:
    """Put the status of a process that has ended in words."""
    if status >= 0:
        return f"ended by itself with status {status}"
    name = signal.Signals(-status).name
    memory = ", as when memory runs out" if -status == signal.SIGKILL else ""
    return f"was ended by {name}{memory}"
