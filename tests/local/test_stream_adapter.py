"""The log of streams in DynamoDB, against an emulator of its own."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from serval.aws.dynamodb.streams import StreamTable
from serval.requests.stream.piece import LikelyToken, Piece, StreamChunk
from tests.fakes.requests import START
from tests.fakes.tables import create_streams_table


@pytest.fixture
def log(dynamodb: Any) -> Iterator[StreamTable]:
    table = create_streams_table(dynamodb, "streams")
    yield StreamTable(table)
    table.delete()


def chunk(first: int, *texts: str, attempt: int = 1) -> StreamChunk:
    pieces = [Piece(number=n, id=n, text=text) for n, text in enumerate(texts, first)]
    return StreamChunk(attempt, "3", tuple(pieces))


def test_chunks_are_read_in_their_order_from_any_one_on(log: StreamTable) -> None:
    likely = (LikelyToken(7, "é", -0.25),)
    last = Piece(number=11, id=7, text="é", logprob=-0.25, top=likely, finish="length")
    written = [
        chunk(1, "a", "b"),
        chunk(3, *"cdefghi"),
        chunk(10, "j"),
        StreamChunk(2, "3", (last,)),
    ]
    for one in reversed(written):
        assert log.append("s1", one, START)
    assert log.append("s10", chunk(1, "x"), START)
    assert log.read("s1", 0) == written
    assert log.read("s1", 2) == written[1:]
    assert log.read("s1", 11) == log.read("s", 0) == []


def test_a_place_is_written_by_one_of_many(log: StreamTable) -> None:
    start = threading.Barrier(6)

    def append(attempt: int) -> bool:
        start.wait()
        return log.append("s1", chunk(1, "a", attempt=attempt), START)

    with ThreadPoolExecutor(6) as threads:
        appended = list(threads.map(append, range(6)))
    assert sum(appended) == 1
    [there] = log.read("s1", 0)
    assert there.attempt == appended.index(True)


def test_a_chunk_whose_answer_was_lost_counts_as_written(log: StreamTable) -> None:
    assert log.append("s1", chunk(1, "a"), START)
    assert log.append("s1", chunk(1, "a"), START.replace(year=2030))
    assert not log.append("s1", chunk(1, "a", "b"), START)
    assert not log.append("s1", chunk(1, "a", attempt=2), START)
    assert log.read("s1", 0) == [chunk(1, "a")]
