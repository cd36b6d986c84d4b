"""A reader of a stream has each piece once, from wherever it begins."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import pytest

from serval.errors import RequestConflict, RequestNotFound
from serval.requests.stream.follow import Follow, Followed, StreamEnd
from serval.requests.stream.piece import LikelyToken, Piece, StreamChunk, read_pieces, write_pieces
from tests.fakes.inbox import HandClock
from tests.fakes.requests import InMemoryRequests, async_request
from tests.fakes.streams import InMemoryStreams

ROW = async_request("s1", stream=True)


@dataclass
class Reading:
    """A log that grows while somebody sleeps over it."""

    log: InMemoryStreams = field(default_factory=InMemoryStreams)
    store: InMemoryRequests = field(default_factory=InMemoryRequests)
    clock: HandClock = field(default_factory=HandClock)
    happens: list[Callable[[], object]] = field(default_factory=list)
    """What happens during the next sleeps."""
    slept: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store.create(ROW)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.clock.pass_seconds(seconds)
        if self.happens:
            self.happens.pop(0)()

    def write(self, first: int, *texts: str, finish: str | None = None) -> None:
        pieces = [
            Piece(number=n, id=n, text=text, finish=finish if text == texts[-1] else None)
            for n, text in enumerate(texts, first)
        ]
        assert self.log.append("s1", StreamChunk(1, "1", tuple(pieces)), self.clock())

    def close(self, status: str = "succeeded") -> None:
        row = self.store.rows["s1"]
        self.store.save(row, replace(row, status=status))

    def follow(self, after: int = 0, seconds: float = 60.0) -> Iterator[Followed]:
        follow = Follow(self.log, self.store, self.clock.monotonic, self.sleep)
        return follow.follow(self.store.rows["s1"], after, seconds)

    def read(self, after: int = 0, seconds: float = 60.0) -> list[str | int]:
        """Give the texts of pieces, and the number of the end."""
        found = [one for one in self.follow(after, seconds) if one is not None]
        return [one.text if isinstance(one, Piece) else one.number for one in found]


@pytest.fixture
def reading() -> Reading:
    return Reading()


def test_pieces_come_as_they_are_written_and_then_the_end(reading: Reading) -> None:
    reading.happens = [
        lambda: reading.write(1, "a", "b"),
        lambda: None,
        lambda: reading.write(3, "c", finish="length"),
        reading.close,
    ]
    assert reading.read() == ["a", "b", "c", 3]


@pytest.mark.parametrize("after", range(6))
def test_a_reader_goes_on_after_any_piece(reading: Reading, after: int) -> None:
    reading.write(1, "a", "b")
    reading.write(3, "c", "d", finish="length")
    reading.close()
    assert reading.read(after) == [*["a", "b", "c", "d"][after:], 4]


def test_what_is_written_just_before_the_end_is_read(reading: Reading) -> None:
    def end() -> None:
        reading.write(1, "a")
        reading.close("failed")

    reading.happens = [lambda: None] * 3 + [end]
    found = list(reading.follow())
    end_of = found[-1]
    assert isinstance(end_of, StreamEnd)
    assert (end_of.number, end_of.request.status) == (1, "failed")


def test_a_reader_that_has_the_end_goes_on_behind_it_when_the_request_is_retried(
    reading: Reading,
) -> None:
    reading.write(1, "a", "b")
    reading.close("failed")
    *_, end = reading.read()
    reading.close("queued")
    reading.happens = [lambda: reading.write(3, "c", finish="length"), reading.close]
    assert reading.read(int(end)) == ["c", 3]


def test_a_request_without_a_stream_has_an_end(reading: Reading) -> None:
    reading.happens = [lambda: None, reading.close]
    assert reading.read() == [0]
    assert sum(reading.slept) < 3


def test_a_reader_may_stop_at_a_time_and_go_on_later(reading: Reading) -> None:
    reading.write(1, "a")
    assert reading.read(seconds=5.0) == ["a"]
    assert 5.0 <= sum(reading.slept) < 6.0


def test_looks_become_rarer_while_nothing_comes_and_frequent_again(reading: Reading) -> None:
    reading.happens = [lambda: None] * 100 + [lambda: reading.write(1, "a")]
    list(reading.follow(seconds=100.0))
    assert reading.slept[0] < 0.05
    assert reading.slept[99] == 0.5
    assert reading.slept[101] < 0.05


def test_a_stream_whose_request_is_gone_is_told_of(reading: Reading) -> None:
    reading.happens = [reading.store.rows.clear]
    with pytest.raises(RequestNotFound):
        list(reading.follow())


def test_pieces_that_are_gone_are_told_of(reading: Reading) -> None:
    reading.write(3, "c")
    with pytest.raises(RequestConflict, match="events 1 to 2 have expired"):
        list(reading.follow())


def test_pieces_are_stored_without_what_says_nothing() -> None:
    pieces = (
        Piece(number=4, id=7, text=" ü\ud800"),
        Piece(number=5, id=8, text="", logprob=-0.5, top=(LikelyToken(8, "a", -0.5),)),
        Piece(number=6, id=2, text="</s>", special=True, finish="eos_token", prompt_tokens=9),
    )
    written = write_pieces(pieces)
    assert read_pieces(4, written) == pieces
    assert written.startswith('[[7," \\u00fc\\ud800"],[8,"",-0.5,')
