"""What a worker does with streams: a piece of each in turn, each piece in the log once."""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from serval.inference.loaded import Loaded
from serval.models.tensor import Tensor
from serval.requests.stream.piece import Piece, StreamChunk
from serval.worker.queue.held import Held
from serval.worker.streams.text import APPEND_SECONDS, MOST_IN_CHUNK, StreamedText, logged_tokens
from tests.fakes.streams import ScriptedText
from tests.fakes.worker import LEASE, Stepped, World

LENGTH = 12
TOKEN_SECONDS = 0.04


@dataclass
class StreamingWorker:
    """A worker that writes scripted texts, step by step."""

    world: World
    stepped: Stepped
    length: int = LENGTH
    fails_at: int | None = None

    def __post_init__(self) -> None:
        self.stepped.worker.streams.open = self.open

    def open(self, loaded: Loaded, held: Held) -> StreamedText:
        return ScriptedText(held.known.id, self.length, logged_tokens(held.chunks), self.fails_at)

    def take(self) -> None:
        """Take and start everything that there is room for."""
        for _ in range(20):
            self.stepped.fetch("textgen")
            self.stepped.prepare()
            self.stepped.run()

    def write(self, rounds: int) -> None:
        """Write so many pieces of each stream."""
        for _ in range(rounds):
            self.world.clock.pass_seconds(TOKEN_SECONDS)
            self.stepped.worker.streams.round()

    def finish(self) -> None:
        """Write until nothing is left."""
        while self.stepped.worker.streams:
            self.write(1)

    def stop(self) -> None:
        """Return everything, as a worker does that is reclaimed."""
        worker = self.stepped.worker
        worker.streams.give_back()
        worker.finish.give_back(worker.drain.holdings.all())


@pytest.fixture
def writer(world: World) -> StreamingWorker:
    return start(world, "w1")


def start(
    world: World, name: str, executor: Executor | None = None, most: int = 64
) -> StreamingWorker:
    if name == "w1":
        world.registry.batching = {"max_wait_ms": 0, "max_batch_size": most}
        world.registry.add("textgen", "1")
    stepped = world.worker(name)
    if executor is not None:
        stepped.worker.streams.pool = executor
    stepped.worker.prepare.learn(["textgen"])
    return StreamingWorker(world, stepped)


def text_of(request_id: str) -> str:
    return ScriptedText(request_id, LENGTH).text


def assert_whole(world: World, *ids: str) -> None:
    for request_id in ids:
        assert world.row(request_id).status == "succeeded", world.row(request_id)
        assert world.streams.text(request_id) == text_of(request_id)
        assert world.result(request_id) == [text_of(request_id)]
        numbers = [p.number for one in world.streams.read(request_id, 0) for p in one.pieces]
        assert numbers == list(range(1, LENGTH + 1))


def test_a_stream_is_logged_in_batches_and_its_result_is_the_whole_text(
    world: World, writer: StreamingWorker
) -> None:
    world.submit("s1", stream=True)
    writer.take()
    writer.write(1)
    assert [one.last for one in world.streams.read("s1", 0)] == [1]
    writer.finish()
    assert_whole(world, "s1")
    sizes = [len(one.pieces) for one in world.streams.read("s1", 1)]
    assert max(sizes[:-1]) <= APPEND_SECONDS / TOKEN_SECONDS + 1
    assert len(sizes) < LENGTH / 2
    assert world.inbox.queues["textgen"] == []
    assert world.row("s1").attempts == 1


def test_streams_take_turns_also_with_one_that_comes_later(
    world: World, writer: StreamingWorker
) -> None:
    world.submit("s1", "s2", stream=True)
    writer.take()
    writer.write(4)
    world.submit("s3", stream=True)
    writer.take()
    writer.write(5)
    assert world.row("s1").status == "running"
    assert world.streams.text("s3")
    assert len(world.streams.read("s1", 0)) == len(world.streams.read("s2", 0))
    writer.finish()
    assert_whole(world, "s1", "s2", "s3")


def test_requests_that_are_no_streams_run_beside_them(
    world: World, writer: StreamingWorker
) -> None:
    world.submit("s1", stream=True)
    world.submit("r1", "r2")
    writer.take()
    assert world.result("r1") == [2.0, 1.0]
    assert world.row("s1").status == "running"
    assert world.runs == [2]
    writer.finish()
    assert_whole(world, "s1")


def test_a_reclaimed_worker_s_stream_goes_on_on_another_from_where_it_stopped(
    world: World, writer: StreamingWorker
) -> None:
    world.submit("s1", stream=True)
    writer.take()
    writer.write(5)
    writer.stop()
    assert (world.row("s1").status, world.row("s1").attempts) == ("queued", 0)
    assert world.streams.text("s1") == ScriptedText("s1", 5).text
    other = start(world, "w2")
    other.take()
    other.finish()
    assert_whole(world, "s1")


def test_a_stream_goes_on_as_it_was_begun_whatever_the_next_worker_would_write(
    world: World, writer: StreamingWorker
) -> None:
    world.submit("s1", stream=True)
    writer.take()
    writer.write(5)
    writer.stop()
    first = StreamChunk(1, "1", (Piece(number=1, id=7, text=" 7"),))
    world.streams.chunks["s1"].clear()
    world.streams.append("s1", first, world.clock())
    other = start(world, "w2")
    other.take()
    other.finish()
    assert world.result("s1") == [ScriptedText("s1", LENGTH, [7]).text]
    assert world.streams.text("s1") == ScriptedText("s1", LENGTH, [7]).text


def test_a_stream_goes_on_with_the_version_that_began_it(
    world: World, writer: StreamingWorker
) -> None:
    world.submit("s1", "s2", stream=True)
    writer.take()
    writer.write(5)
    writer.stop()
    world.streams.chunks["s2"].clear()
    world.registry.add("textgen", "2")
    other = start(world, "w2")
    other.take()
    other.finish()
    assert_whole(world, "s1", "s2")
    assert (world.row("s1").version, world.row("s2").version) == ("1", "2")


def test_the_worker_that_was_taken_for_dead_writes_no_piece_twice(
    world: World, writer: StreamingWorker
) -> None:
    world.submit("s1", stream=True)
    writer.take()
    writer.write(5)
    world.clock.pass_seconds(LEASE.total_seconds() + 1)
    other = start(world, "w2")
    other.take()
    other.write(2)
    writer.write(9)
    other.finish()
    writer.finish()
    assert_whole(world, "s1")
    assert world.row("s1").attempts == 2


def test_a_cancelled_stream_ends_soon(world: World, writer: StreamingWorker) -> None:
    writer.length = 10_000
    world.submit("s1", stream=True)
    writer.take()
    writer.write(5)
    row = world.row("s1")
    world.store.save(row, replace(row, cancel_requested=True))
    writer.write(int(2 / TOKEN_SECONDS) + 2)
    assert not writer.stepped.worker.streams
    assert world.row("s1").status == "cancelled"


def test_a_stream_that_fails_is_tried_again_and_keeps_what_it_has(
    world: World, writer: StreamingWorker
) -> None:
    writer.fails_at = 6
    world.submit("s1", stream=True)
    writer.take()
    writer.finish()
    assert (world.row("s1").status, world.row("s1").attempts) == ("queued", 1)
    writer.fails_at = None
    world.clock.pass_seconds(60)
    writer.take()
    writer.finish()
    assert_whole(world, "s1")


def test_a_log_that_is_not_answered_is_written_later(world: World, writer: StreamingWorker) -> None:
    world.submit("s1", stream=True)
    writer.take()
    writer.write(4)
    world.streams.failing = True
    writer.write(4)
    world.streams.failing = False
    writer.finish()
    assert_whole(world, "s1")


def test_the_last_attempt_of_a_stream_whose_workers_died_runs_alone(
    world: World, writer: StreamingWorker
) -> None:
    world.submit("s1", attempts=2, attempt=2, stream=True)
    world.submit("s2", "s3", stream=True)
    writer.take()
    writer.write(3)
    assert world.streams.text("s1")
    assert not world.streams.text("s2")
    writer.finish()
    assert_whole(world, "s1", "s2", "s3")


@dataclass(frozen=True)
class SearchedText(ScriptedText):
    """A text that is known only as a whole."""

    during: Callable[[], object] = lambda: None

    def pieces(self) -> Iterator[Piece]:
        self.during()
        return iter(list(super().pieces()))


def search(writer: StreamingWorker, request_id: str, during: Callable[[], object]) -> None:
    """Let a worker find a request's text as a whole; something happens meanwhile."""

    def open_text(loaded: Loaded, held: Held) -> StreamedText:
        if held.known.id != request_id:
            return writer.open(loaded, held)
        return SearchedText(request_id, writer.length, during=during)

    writer.stepped.worker.streams.open = open_text


def test_while_a_text_is_searched_others_are_written(world: World, writer: StreamingWorker) -> None:
    search(writer, "s2", writer.finish)
    world.submit("s1", stream=True)
    writer.take()
    world.submit("s2", stream=True)
    writer.take()
    assert_whole(world, "s1")
    assert not world.streams.text("s2")
    writer.finish()
    assert_whole(world, "s2")


def test_a_search_in_its_last_attempt_waits_for_its_turn_to_run_alone(
    world: World, writer: StreamingWorker
) -> None:
    begun: list[str] = []
    search(writer, "s2", lambda: begun.append("s2"))
    world.submit("s1", "s2", attempts=2, attempt=2, stream=True)
    writer.take()
    assert not begun
    writer.finish()
    assert_whole(world, "s1", "s2")


def assert_charged(world: World, request_id: str, reason: str) -> None:
    row = world.row(request_id)
    assert (row.status, row.attempts) == ("queued", 1)
    assert reason in (row.error or "")


def test_what_breaks_a_search_is_charged_to_it_alone(world: World, writer: StreamingWorker) -> None:
    def fail() -> None:
        raise ZeroDivisionError("no beam is left")

    search(writer, "s2", fail)
    world.submit("s1", "s2", stream=True)
    writer.take()
    writer.finish()
    assert_whole(world, "s1")
    assert_charged(world, "s2", "ZeroDivisionError: no beam is left")


class UnansweredText(ScriptedText):
    """A text that is written, and whose answer cannot be made of it."""

    def outputs(self) -> list[Tensor]:
        raise UnicodeError("half a character")


def test_what_breaks_an_answer_is_charged_to_it_alone(
    world: World, writer: StreamingWorker
) -> None:
    def open_text(loaded: Loaded, held: Held) -> StreamedText:
        kind = UnansweredText if held.known.id == "s2" else ScriptedText
        return kind(held.known.id, writer.length)

    writer.stepped.worker.streams.open = open_text
    world.submit("s1", "s2", stream=True)
    writer.take()
    writer.finish()
    assert_whole(world, "s1")
    assert_charged(world, "s2", "UnicodeError: half a character")


def test_all_that_is_written_is_logged_when_a_worker_stops(
    world: World, writer: StreamingWorker
) -> None:
    """More than a chunk takes, after a while in which nothing could be logged."""
    writer.length = written = 3 * MOST_IN_CHUNK
    world.submit("s1", stream=True)
    writer.take()
    world.streams.failing = True
    writer.write(written - 1)
    world.streams.failing = False
    writer.stop()
    numbers = [piece.number for one in world.streams.read("s1", 0) for piece in one.pieces]
    assert numbers == list(range(1, written))


def test_streams_take_the_places_of_messages(world: World, writer: StreamingWorker) -> None:
    world.registry.batching = {"max_wait_ms": 0, "max_batch_size": 2}
    world.registry.add("textgen", "2")
    world.clock.pass_seconds(10)
    writer.stepped.worker.prepare.learn(["textgen"])
    world.submit("s1", "s2", "s3", stream=True)
    writer.take()
    assert world.row("s3").status == "queued"
    writer.finish()
    writer.take()
    writer.finish()
    assert_whole(world, "s1", "s2", "s3")


def test_pieces_are_kept_as_long_as_another_attempt_may_come_and_then_as_the_result(
    world: World, writer: StreamingWorker
) -> None:
    world.submit("s1", stream=True, keep_days=3)
    writer.take()
    writer.finish()
    days = (world.streams.expire["s1"] - world.clock()) / timedelta(days=1)
    assert days == pytest.approx(17, abs=0.01)


def test_a_stream_that_another_worker_wrote_to_goes_on_from_there(
    world: World, writer: StreamingWorker
) -> None:
    world.submit("s1", stream=True)
    writer.take()
    writer.write(1)
    pieces = tuple(ScriptedText("s1", LENGTH).pieces())
    world.streams.append("s1", StreamChunk(0, "1", pieces[1:6]), world.clock())
    writer.write(5)
    assert world.row("s1").status == "queued"
    writer.take()
    writer.finish()
    assert_whole(world, "s1")
