"""Let long polls of a queue answer within 10 ms of a message's arrival.

Without messages they look three times a second, for what has waited or was hidden long enough; the
emulator by itself looks ten times.
"""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

from serval_cli.local.launcher.emulator import Emulator

NAMES = ("sqs/asyncio/sleep", "sqs/asyncio/iscoroutine", "sqs/esm_wake/set")
LOOK_SECONDS = 0.01
"""Least time between two looks of a poll."""
EMULATORS_SECONDS, IDLE_SECONDS = 0.1, 0.3
"""Time between two looks without a message, by the emulator itself and here."""


class WakingSleeps:
    """``asyncio`` for the queue service: a message ends the sleep between two looks."""

    iscoroutine = staticmethod(asyncio.iscoroutine)

    def __init__(self) -> None:
        self._asleep: set[Callable[[], None]] = set()
        self._lock = threading.Lock()
        self._sent = 0

    async def sleep(self, seconds: float) -> None:
        """Sleep until a message is sent to any queue, or for about the given time."""
        if seconds >= EMULATORS_SECONDS:
            seconds = max(seconds, IDLE_SECONDS)
        sent = self._sent
        await asyncio.sleep(min(seconds, LOOK_SECONDS))
        loop, woken = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            loop.call_soon_threadsafe(woken.set)

        with self._lock:
            if self._sent != sent:
                return
            self._asleep.add(wake)
        try:
            async with asyncio.timeout(max(0.0, seconds - LOOK_SECONDS)):
                await woken.wait()
        except TimeoutError:
            pass
        finally:
            self._asleep.discard(wake)

    def wake(self) -> None:
        """End all sleeps, from any thread."""
        with self._lock:
            self._sent += 1
            asleep, self._asleep = self._asleep, set()
        for wake in asleep:
            wake()


def apply(emulator: Emulator) -> None:
    """Look as soon as a message is sent, not only every 100 ms."""
    sqs: Any = emulator.sqs
    sqs.asyncio = sleeps = WakingSleeps()
    sent = sqs.esm_wake.set

    def set_and_wake() -> None:
        sent()
        sleeps.wake()

    sqs.esm_wake.set = set_and_wake
