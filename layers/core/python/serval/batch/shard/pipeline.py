"""Stages that overlap: what comes next is made by a thread of its own while this is worked on."""

import threading
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from queue import Full, Queue
from typing import Generic, TypeVar

Item = TypeVar("Item")
POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class _End:
    """Says that a stage is done, or why it failed."""

    error: BaseException | None = None


class _Stage(threading.Thread, Generic[Item]):
    """A thread that makes items until there are no more, or nobody wants any."""

    def __init__(self, items: Iterable[Item], depth: int) -> None:
        super().__init__(name="stage", daemon=True)
        self._items = items
        self._unwanted = threading.Event()
        self.ready: Queue[Item | _End] = Queue(depth)

    def run(self) -> None:
        """Make the items; every way that this can end is said."""
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
        """Want no more; returns when the item that is being made is done."""
        self._unwanted.set()
        self.join()

    def _close(self) -> None:
        """End the stages before this one, in the thread that uses them."""
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
    """Give the items, of which up to ``depth`` more are made meanwhile.

    An error of the stage is raised where its item would have come. Whoever stops early ends the
    stage after the item that it is making.
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
