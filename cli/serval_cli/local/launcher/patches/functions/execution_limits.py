"""Apply Lambda's limits to functions: memory, time, and ten seconds to initialise."""

import math
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from serval_cli.local.launcher.emulator import Emulator
from serval_cli.local.launcher.patches.functions.environments.ended import (
    EnvironmentEnded,
    Exited,
    TimedOut,
)
from serval_cli.local.launcher.patches.functions.environments.watchdog import Watch, Watchdog

NAMES = (
    "lambda_runtime/Worker/_spawn",
    "lambda_runtime/Worker/invoke",
    "lambda_svc/_probe_peak_memory_mb",
)
INIT_SECONDS = 10.0
MIB = 1024 * 1024
NO_INIT = "Worker process exited immediately"
DIED = ("Worker process died", "[Errno 32] Broken pipe")
TIMED_OUT = "Task timed out"
"""Messages about workers that ended at their start or early, or that the emulator ended."""


def apply(emulator: Emulator, init_seconds: float = INIT_SECONDS) -> None:
    """End environments that exceed a limit, and report the memory that invocations used."""
    runtime, service = emulator.lambda_runtime, emulator.lambda_svc
    limits = ExecutionLimits(runtime.Worker._spawn, runtime.Worker.invoke, init_seconds)

    def invoke(self: Any, event: Any, request_id: str, **options: Any) -> dict[str, Any]:
        return limits.invoke(self, event, request_id, **options)

    runtime.Worker.invoke = invoke
    service._probe_peak_memory_mb = lambda func: limits.used_mib()


class ExecutionLimits:
    """Runs the emulator's workers within the limits of their functions."""

    def __init__(
        self,
        spawn: Callable[[Any], None],
        invoke: Callable[..., dict[str, Any]],
        init_seconds: float,
    ) -> None:
        self._spawn = spawn
        self._invoke = invoke
        self._init_seconds = init_seconds
        self._watchdog = Watchdog()
        self._last = threading.local()

    def used_mib(self) -> int:
        """Return the most memory that this thread's last invocation used."""
        return math.ceil(getattr(self._last, "used_bytes", 0) / MIB)

    def invoke(self, worker: Any, event: Any, request_id: str, **options: Any) -> dict[str, Any]:
        """Run an invocation, starting an environment if there is none."""
        log: list[str] = []
        try:
            spent = self._initialise(worker, log)
            reply = self._run(worker, spent, log, event, request_id, **options)
        except EnvironmentEnded as ended:
            reply = ended.reply(request_id)
        return {**reply, "log": "\n".join(filter(None, log))}

    def _initialise(self, worker: Any, log: list[str]) -> float:
        """Start the worker if necessary; return the seconds this took of the invocation's time.

        As on Lambda, a failed initialisation is repeated as part of the invocation.
        """
        with worker._lock:
            if worker._proc is not None and worker._proc.poll() is None:
                return 0
            try:
                self._start(worker, self._init_seconds)
            except EnvironmentEnded as ended:
                log.append(f"INIT_REPORT Phase: init\tStatus: {ended}")
            else:
                return 0
            began = time.monotonic()
            self._start(worker, worker.config["Timeout"])
            return time.monotonic() - began

    def _start(self, worker: Any, seconds: float) -> None:
        worker._proc = None
        exited = False
        with self._watch(worker, lambda: worker._proc, seconds) as watch:
            try:
                self._spawn(worker)
            except RuntimeError as error:
                exited = str(error).startswith(NO_INIT)
                if watch.ended is None and not exited:
                    raise
        if watch.ended:
            raise watch.ended
        if exited:
            raise Exited(worker._proc.wait())

    def _run(
        self, worker: Any, spent: float, log: list[str], event: Any, request_id: str, **options: Any
    ) -> dict[str, Any]:
        process, seconds = worker._proc, worker.config["Timeout"]
        with self._watch(worker, lambda: process, seconds, spent) as watch:
            reply = self._invoke(worker, event, request_id, **options)
        log.append(reply.get("log", ""))
        self._last.used_bytes = watch.used_bytes
        if watch.ended:
            raise watch.ended
        said = str(reply.get("error", ""))
        if said.startswith(TIMED_OUT):
            raise TimedOut(seconds)
        if said in DIED:
            raise Exited(process.wait())
        return reply

    def _watch(
        self,
        worker: Any,
        process: Callable[[], Any],
        seconds: float,
        spent_seconds: float = 0,
    ) -> AbstractContextManager[Watch]:
        return self._watchdog.watch(
            process,
            memory_bytes=worker.config["MemorySize"] * MIB,
            seconds=seconds,
            spent_seconds=spent_seconds,
        )
