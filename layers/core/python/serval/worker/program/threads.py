"""Threads whose failures stop the worker."""

import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class Threads:
    """Runs loops beside each other; when the first one fails, ``on_failure`` is called."""

    on_failure: Callable[[], object]
    failure: BaseException | None = None
    """What ended the first loop that failed."""
    _threads: dict[str, threading.Thread] = field(default_factory=dict)

    def start(self, name: str, loop: Callable[[], object]) -> None:
        """Start a loop; nothing waits for it when the program ends."""
        thread = threading.Thread(target=self.guard(loop), name=name, daemon=True)
        self._threads[name] = thread
        thread.start()

    def guard(self, work: Callable[[], object]) -> Callable[[], None]:
        """Wrap work for another thread: a failure is printed, and stops the other threads."""

        def run() -> None:
            try:
                work()
            except BaseException as error:
                traceback.print_exception(error)
                self.failure = self.failure or error
                self.on_failure()

        return run

    def join(self, seconds: float, name: str) -> None:
        """Wait for a loop to end, at most this long."""
        self._threads[name].join(max(0.0, seconds))


@contextmanager
def repeating(act: Callable[[], object], seconds: float) -> Iterator[None]:
    """Call a function every so many seconds, in its own thread, while the block runs."""
    ended = threading.Event()

    def repeat() -> None:
        while not ended.wait(seconds):
            act()

    thread = threading.Thread(target=repeat, name="repeating", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
