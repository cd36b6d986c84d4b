"""What becomes of a text whose version an inference server holds no more."""

from dataclasses import replace

import pytest

from serval.requests.stream.piece import UNKNOWN, Piece, StreamChunk
from tests.fakes.worker import World
from tests.unit.worker.streams.test_streams import StreamingWorker, start
from tests.unit.worker.streams.test_streams import writer as writer  # a fixture


def served(world: World, *versions: str) -> None:
    """Let an inference server hold versions; the last one is the stable one."""
    for version in versions:
        world.registry.add("textgen", version)
        record = world.registry.records["textgen", version]
        world.registry.records["textgen", version] = replace(record, runtime="http")


@pytest.mark.parametrize("pinned", [None, "1"])
def test_a_text_whose_version_no_server_holds_any_more_fails_and_nobody_asked_wrongly(
    world: World, writer: StreamingWorker, pinned: str | None
) -> None:
    served(world, "1")
    world.submit("s1", stream=True, wanted=pinned)
    writer.take()
    writer.write(5)
    writer.stop()
    served(world, "2")
    start(world, "w2").take()
    row = world.row("s1")
    assert (row.status, row.refused) == ("failed", False)
    assert "'textgen' version '1' failed: it began this text, and its inference" in (
        row.error or ""
    )
    assert "holds version 2 by now: ask again" in (row.error or "")
    assert world.inbox.dead == [("textgen", "s1", row.error)]


def test_a_stream_without_text_is_written_by_the_version_that_a_server_holds(
    world: World, writer: StreamingWorker
) -> None:
    served(world, "1")
    world.submit("s1", stream=True)
    world.streams.append(
        "s1", StreamChunk(1, "1", (Piece(number=1, id=UNKNOWN, text=""),)), world.clock()
    )
    row = world.row("s1")
    world.store.save(row, replace(row, attempt=1, attempts=1, version="1"))
    served(world, "2")
    other = start(world, "w2")
    other.take()
    other.write(3)
    other.stop()
    third = start(world, "w3")
    third.take()
    third.finish()
    assert (world.row("s1").status, world.row("s1").version) == ("succeeded", "2")
