"""A handler's process, seen from the server: started, called, watched, ended, started again."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import serval
from serval.errors import ArtifactUnavailable, MalformedBody
from serval.handlers.declaration import MIB, HandlerDeclaration
from serval.handlers.environment import handler_environment
from serval.handlers.frames import Frame, FrameLost, FrameSocket
from serval.handlers.log_lines import pass_lines_on
from serval.handlers.memory import resident_bytes
from serval.handlers.secrets import Redaction
from serval.handlers.signature import HandlerAnswer
from serval.inference.runtimes import ArtifactUnreadable, RuntimeFailed
from serval.processes import describe_exit, hide_environment

PROGRAM = "serval.handlers.program"
LIBRARY = str(Path(serval.__file__).parents[1])
LOOK_SECONDS = 0.02
"""Between two looks at a working process: an allocation of a gigabyte takes longer."""
END_SECONDS = 2.0
"""How long a process may take to end by itself."""


class ProcessLost(Exception):
    """The handler's process ended, or was ended; says how."""


class LimitReached(ProcessLost):
    """It was ended for the time or the memory that it took."""


@dataclass(slots=True)
class HandlerChild:
    """One running process."""

    declared: HandlerDeclaration
    process: "subprocess.Popen[bytes]"
    socket: socket.socket
    scratch: str
    redaction: Redaction
    clock: Callable[[], float] = time.monotonic
    _until: float = 0.0
    _seconds: float = 0.0

    @classmethod
    def start(
        cls, declared: HandlerDeclaration, log: Callable[[str], object], redaction: Redaction
    ) -> "HandlerChild":
        """Start the process in a session of its own, with nothing of this one's environment."""
        hide_environment()
        ours, its = socket.socketpair()
        ours.settimeout(LOOK_SECONDS)
        scratch = tempfile.mkdtemp(prefix="handler-")
        with its, ExitStack() as unless_it_starts:
            unless_it_starts.callback(ours.close)
            unless_it_starts.callback(shutil.rmtree, scratch, ignore_errors=True)
            process = subprocess.Popen(
                [declared.python, "-P", "-m", PROGRAM, str(its.fileno())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=[its.fileno()],
                cwd=declared.folder,
                env=handler_environment(os.environ, declared.variables, LIBRARY, scratch),
                start_new_session=True,
            )
            unless_it_starts.pop_all()
        threading.Thread(
            target=pass_lines_on,
            args=(process.stdout, declared.model, log, redaction),
            daemon=True,
        ).start()
        return cls(declared, process, ours, scratch, redaction)

    def exchange(self, frame: Frame, seconds: float) -> Frame:
        """Send a frame, and wait so many seconds for the one that answers it.

        Raises
        ------
        ProcessLost
            If the process is gone, or has been ended for its time or memory.
        """
        self._until, self._seconds = self.clock() + seconds, seconds
        channel = FrameSocket(self.socket, self._check)
        try:
            channel.send(frame)
            return channel.receive(self.declared.limits.most_bytes)
        except FrameLost as error:
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(END_SECONDS)
            if self.process.poll() is None:
                self._give_up(f"its process sent what is no answer: {error}")
            self._give_up(f"its process {describe_exit(self.process.returncode)}")

    def kill(self) -> None:
        """Kill the process and whatever it started, without waiting for it."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def over_memory(self) -> bool:
        """Return whether the process holds more memory than it may."""
        return resident_bytes(self.process.pid) > self.declared.limits.memory_bytes

    def end(self) -> None:
        """End the process and whatever it started."""
        self.socket.close()
        if self.process.stdin is not None:
            self.process.stdin.close()
        self.kill()
        self.process.wait()
        shutil.rmtree(self.scratch, ignore_errors=True)

    def _check(self) -> None:
        if self.clock() > self._until:
            self._give_up(f"had no answer within {self._seconds:g} s, and was ended", LimitReached)
        if self.over_memory():
            limit = self.declared.limits.memory_bytes // MIB
            self._give_up(f"took more than {limit} MiB of memory, and was ended", LimitReached)

    def _give_up(self, how: str, lost: type[ProcessLost] = ProcessLost) -> NoReturn:
        self.end()
        raise lost(how)


@dataclass(slots=True)
class HandlerProcess:
    """Calls a handler, one call at a time; starts its process again when it is gone."""

    declared: HandlerDeclaration
    log: Callable[[str], object]
    _child: HandlerChild | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _interrupted: bool = False

    def load(self) -> None:
        """Start the process unless it runs.

        Raises
        ------
        ArtifactUnreadable
            If the handler does not load, or a secret of it is not set.
        ArtifactUnavailable
            If its secrets cannot be read now.
        """
        with self._lock:
            self._load()

    def call(self, body: bytes, content_type: str, accept: str) -> HandlerAnswer:
        """Call the handler with a request's body.

        Raises
        ------
        MalformedBody
            If the body is not what its content type says.
        RuntimeFailed
            If the handler raises, crashes, hangs, takes too much memory, or does not load again;
            with the type of what it raised, whose traceback is in the log alone.
        """
        with self._lock:
            if self._interrupted:
                raise RuntimeFailed("the run was interrupted")
            try:
                child = self._load()
                answered = child.exchange(
                    Frame({"content_type": content_type, "accept": accept}, body),
                    self.declared.limits.call_seconds,
                )
            except (ArtifactUnreadable, ArtifactUnavailable) as error:
                raise RuntimeFailed(str(error)) from error
            except ProcessLost as lost:
                self._child = None
                raise RuntimeFailed(f"{self.declared.file.path} {lost}") from lost
            self._end_if_full()
        return self._read(answered, child.redaction)

    def interrupt(self) -> None:
        """End the call that is under way, and every later one, with ``RuntimeFailed``."""
        self._interrupted = True
        if (child := self._child) is not None:
            child.kill()

    def close(self) -> None:
        """End the process."""
        with self._lock:
            if self._child is not None:
                self._child.end()
                self._child = None

    def _load(self) -> HandlerChild:
        if self._child is not None:
            return self._child
        declared = self.declared
        secrets = declared.read_secrets()
        try:
            child = HandlerChild.start(declared, self.log, Redaction.of(secrets))
            ready = child.exchange(self._order(secrets), declared.limits.load_seconds)
        except (OSError, ValueError) as error:
            raise ArtifactUnreadable(f"{declared.file.path} cannot be started: {error}") from error
        except ProcessLost as lost:
            raise ArtifactUnreadable(f"{declared.file.path} did not load: it {lost}") from lost
        if ready.head.get("is") != "ready":
            child.end()
            why = child.redaction.hide(str(ready.head.get("why", "said nothing")))
            raise ArtifactUnreadable(f"{declared.file.path} did not load: it {why}") from limit(why)
        self._child = child
        return child

    def _order(self, secrets: Mapping[str, str]) -> Frame:
        declared = self.declared
        return Frame(
            {
                "folder": str(declared.folder),
                "file": declared.file.path,
                "convention": declared.file.convention,
                "packages": declared.packages,
                # Not in the environment that it starts with, which others of its user may read.
                "secrets": secrets,
                "memory_bytes": declared.limits.memory_bytes,
                "most_bytes": declared.limits.most_bytes,
            }
        )

    def _end_if_full(self) -> None:
        """End a process that leaks, after its answer; the next call starts another."""
        if self._child is not None and self._child.over_memory():
            self._child.end()
            self._child = None

    def _read(self, answered: Frame, redaction: Redaction) -> HandlerAnswer:
        head = answered.head
        if head.get("is") == "answered":
            return HandlerAnswer(answered.body, str(head.get("content_type", "")))
        why = redaction.hide(str(head.get("why", "said nothing")))
        if head.get("is") == "refused":
            raise MalformedBody(why)
        raise RuntimeFailed(f"{self.declared.file.path} {why}") from limit(why)


def limit(why: str) -> LimitReached | None:
    """Return what stands for a limit in what a handler raised: an allocation that failed at once.

    Nobody had time to see that its process held too much.
    """
    return LimitReached(why) if "MemoryError" in why.partition(" in line ")[0] else None
