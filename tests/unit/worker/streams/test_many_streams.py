"""Workers die and are reclaimed, readers go and come back: each text is whole, no piece is twice.

Seeds decide who does what next, when appends arrive, and where workers and readers stop.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pytest

from serval.requests.stream.follow import Follow, Followed, StreamEnd
from serval.requests.stream.piece import Piece
from tests.fakes.worker import LEASE, World
from tests.unit.worker.streams.test_streams import StreamingWorker, assert_whole, start, text_of

STEP_SECONDS = 0.02


@dataclass
class LateCalls(Executor):
    """Makes calls when a seed says so; those of a dead worker may still arrive."""

    random: Random
    waiting: list[Callable[[], object]] = field(default_factory=list)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()

        def call() -> None:
            try:
                future.set_result(fn(*args, **kwargs))
            except Exception as error:
                future.set_exception(error)

        self.waiting.append(call)
        return future

    def map(self, fn: Callable[..., Any], *items: Any, **_: Any) -> Iterator[Any]:
        self.make(1.0)
        return iter([fn(*each) for each in zip(*items, strict=True)])

    def make(self, share: float = 0.5) -> None:
        """Make some of the calls, in any order."""
        self.random.shuffle(self.waiting)
        made, self.waiting = self.waiting, []
        for call in made:
            if self.random.random() < share:
                call()
            else:
                self.waiting.append(call)


@dataclass
class Reader:
    """Reads a stream, and may go and come back with the number of the last piece."""

    world: World
    request_id: str
    patience: int | None
    """After how many pieces it goes away once."""
    pieces: list[Piece] = field(default_factory=list)
    ended: bool = False
    following: Iterator[Followed] | None = None

    def look(self) -> None:
        """Read what is there now."""
        if self.following is None:
            follow = Follow(
                self.world.streams, self.world.store, self.world.clock.monotonic, lambda _: None
            )
            after = self.pieces[-1].number if self.pieces else 0
            row = self.world.row(self.request_id)
            self.following = follow.follow(row, after, 1e9)
        for found in self.following:
            if found is None:
                return
            if isinstance(found, StreamEnd):
                self.ended = True
                return
            self.pieces.append(found)
            if self.patience is not None and len(self.pieces) >= self.patience:
                self.following = self.patience = None
                return


@dataclass
class Trial:
    """Streams on two workers, of which one dies and one is reclaimed."""

    world: World
    random: Random
    count: int
    workers: dict[str, StreamingWorker] = field(default_factory=dict)
    calls: dict[str, LateCalls] = field(default_factory=dict)
    started: int = 0

    def begin(self) -> list[Reader]:
        """Submit the requests, and start workers and readers."""
        ids = [f"s{n}" for n in range(self.count)]
        for _ in range(2):
            self.start()
        self.world.submit(*ids, stream=True)
        leaving = set(self.random.sample(ids, max(1, self.count // 10)))
        return [
            Reader(self.world, one, self.random.randint(1, 11) if one in leaving else None)
            for one in ids
        ]

    def start(self) -> None:
        self.started += 1
        name = f"w{self.started}"
        self.calls[name] = LateCalls(self.random)
        self.workers[name] = start(self.world, name, self.calls[name], self.count * 3 // 5)

    def step(self) -> None:
        """Let a worker do something, and some calls arrive."""
        self.world.clock.pass_seconds(STEP_SECONDS)
        for worker in self.random.sample(list(self.workers.values()), len(self.workers)):
            if self.random.random() < 0.3:
                worker.take()
            worker.stepped.worker.streams.round()
            worker.stepped.worker.heartbeat.beat()
        for name in self.workers:
            self.calls[name].make()
        if self.random.random() < 0.1:
            # What dead workers have sent arrives whenever it does.
            self.random.choice(list(self.calls.values())).make()

    def kill(self) -> None:
        """End the first worker in the middle of everything; another one comes."""
        self.workers.pop("w1")
        self.start()

    def reclaim(self) -> None:
        """Stop the second worker as a notice does; another one comes."""
        self.workers.pop("w2").stop()
        self.start()


def run(folder: Path, seed: int, count: int) -> None:
    random = Random(seed)
    trial = Trial(World(folder), random, count)
    readers = trial.begin()
    events = {random.randint(4, 7): trial.kill, random.randint(8, 11): trial.reclaim}
    for step in range(10_000):
        trial.step()
        if step in events:
            events[step]()
        if step == 60:
            trial.world.clock.pass_seconds(LEASE.total_seconds() + 1)
        for reader in readers:
            if not reader.ended and random.random() < 0.5:
                reader.look()
        if all(reader.ended for reader in readers):
            break
    for reader in readers:
        assert_whole(trial.world, reader.request_id)
        assert "".join(piece.text for piece in reader.pieces) == text_of(reader.request_id)
    attempts = {trial.world.row(reader.request_id).attempt for reader in readers}
    assert max(attempts) > 1, "nothing was struck"
    assert not trial.world.inbox.dead


@pytest.mark.parametrize("seed", range(8))
def test_every_text_is_whole_whoever_writes_and_reads_it(tmp_path: Path, seed: int) -> None:
    run(tmp_path, seed, 10)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_hundred_streams_survive_workers_and_readers(tmp_path: Path, seed: int) -> None:
    run(tmp_path, seed, 100)
