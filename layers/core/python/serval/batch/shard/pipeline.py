"""Overlapping stages: a thread prepares the next items while one is worked on."""

import threading
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from queue import Full, Queue
from typing import Generic, TypeVar

Item = TypeVar("Item")
POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class _End:
    """The end of a stage, or the error that ended it."""

    error: BaseException | None = None


class _Stage(threading.Thread, Generic[Item]):
    """A thread that produces items until there are no more, or nobody wants any."""

    def __init__(self, items: Iterable[Item], depth: int) -> None:
        super().__init__(name="stage", daemon=True)
        self._items = items
        self._unwanted = threading.Event()
        self.ready: Queue[Item | _End] = Queue(depth)

    def run(self) -> None:
        """Produce the items; every way to end is reported to the consumer."""
        try:
            for item in self._items:
                self._put(item)
                if self._unwanted.is_set():
                    return
        except BaseException as error:
            self._put(_End(error))
        else:
            self._put(_End())
        finally:
            self._close()

    def end(self) -> None:
        """Stop the stage, and wait until its current item is done."""
        self._unwanted.set()
        self.join()

    def _close(self) -> None:
        """Close the stages before this one, in the thread that uses them."""
        if isinstance(self._items, Generator):
            self._items.close()

    def _put(self, item: Item | _End) -> None:
        while not self._unwanted.is_set():
            try:
                self.ready.put(item, timeout=POLL_SECONDS)
            except Full:
                continue
            return


def ahead(items: Iterable[Item], depth: int = 1) -> Generator[Item, None, None]:
    """Yield the items, while a thread prepares up to ``depth`` more.

    An error of the stage is raised where its item would have come. A consumer that stops early ends
    the stage after its current item.
    """
    stage = _Stage(items, depth)
    stage.start()
    try:
        while not isinstance(item := stage.ready.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        stage.end()
