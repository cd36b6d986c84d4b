"""End environments that exceed their memory or their time."""

import math
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from serval_cli.local.launcher.patches.functions.environments import memory
from serval_cli.local.launcher.patches.functions.environments.ended import (
    EnvironmentEnded,
    Exited,
    TimedOut,
)
from serval_cli.local.launcher.patches.functions.environments.memory import Process

PAUSE_SECONDS = 0.2
"""Time between two looks; Linux records peaks of memory, so none is missed."""
FAMILY_SECONDS = 1.0
"""Time between two looks at what environments have started: all processes are listed for it."""


class Watch:
    """One environment while it initialises or runs an invocation."""

    def __init__(
        self,
        process: Callable[[], subprocess.Popen[str] | None],
        memory_bytes: int,
        seconds: float,
        deadline: float,
    ) -> None:
        self._process = process
        self._memory_bytes = memory_bytes
        self._seconds = seconds
        self._looking = threading.Lock()
        self._over = False
        self.deadline = deadline
        self.used_bytes = 0
        """The highest use seen."""
        self.ended: EnvironmentEnded | None = None
        """Why the watchdog ended the environment."""

    def look(self, processes: Collection[Process]) -> None:
        """End the environment if it exceeds a limit."""
        with self._looking:
            if not self._over:
                self._enforce(processes, self.deadline)

    def close(self) -> None:
        """Look once more, for a peak of memory in between, and stop."""
        with self._looking:
            self._enforce((), math.inf)
            self._over = True

    def _enforce(self, processes: Collection[Process], deadline: float) -> None:
        process = self._process()
        if process is None or process.poll() is not None:
            return
        self._measure(process.pid, processes)
        if self.used_bytes > self._memory_bytes:
            self.ended = Exited(-signal.SIGKILL)
        elif time.monotonic() >= deadline:
            self.ended = TimedOut(self._seconds)
        if self.ended:
            memory.kill(process.pid)

    def _measure(self, pid: int, processes: Collection[Process]) -> None:
        resident = sum(one.resident_bytes for one in processes if one.pid == pid)
        started = sum(one.resident_bytes for one in memory.descendants(pid, processes))
        used = max(memory.peak_bytes(pid), resident) + started
        self.used_bytes = max(self.used_bytes, used)


class Watchdog:
    """Looks at all watched environments periodically, from one thread."""

    def __init__(self) -> None:
        self._watches: list[Watch] = []
        self._changed = threading.Condition()
        threading.Thread(target=self._run, daemon=True, name="watchdog").start()

    @contextmanager
    def watch(
        self,
        process: Callable[[], subprocess.Popen[str] | None],
        *,
        memory_bytes: int,
        seconds: float,
        spent_seconds: float = 0,
    ) -> Iterator[Watch]:
        """Watch an environment until the context ends."""
        deadline = time.monotonic() + seconds - spent_seconds
        watch = Watch(process, memory_bytes, seconds, deadline)
        with self._changed:
            self._watches.append(watch)
            self._changed.notify()
        try:
            yield watch
        finally:
            with self._changed:
                self._watches.remove(watch)
            watch.close()

    def _run(self) -> None:
        listed = -math.inf
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._watches)
                watches = list(self._watches)
            next_deadline = min(watch.deadline for watch in watches) - time.monotonic()
            time.sleep(max(0.0, min(PAUSE_SECONDS, next_deadline)))
            processes: Collection[Process] = ()
            if time.monotonic() - listed >= FAMILY_SECONDS:
                processes, listed = memory.list_processes(), time.monotonic()
            for watch in watches:
                watch.look(processes)
