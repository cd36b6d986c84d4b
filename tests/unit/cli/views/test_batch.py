"""How batch jobs look to people, while they go and afterwards."""

from io import StringIO
from typing import Any

import pytest
from rich.console import Console, RenderableType

from serval.batch.job.document import JobDocuments
from serval_cli.views import batch as batch_views
from tests.fakes.batch_api import Bench


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    bench.running()
    bench.clock.pass_seconds(8)
    bench.shard(0, status="done", rows=99, rejected=1, read_bytes=1000, busy_ms=4000)
    return bench


def document(bench: Bench) -> dict[str, Any]:
    return JobDocuments(bench.store, bench.clock).describe(bench.row)


def render(view: RenderableType) -> str:
    text = StringIO()
    Console(file=text, width=160, force_terminal=True, color_system=None).print(view)
    return text.getvalue()


def test_a_job_that_goes_has_a_bar_with_everything_about_it(bench: Bench) -> None:
    head, match, bar = render(batch_views.live(document(bench))).splitlines()
    assert head == "iris j1  running"
    assert match == "measurements ← length, width, height, depth (by name, but for capital letters)"
    assert "━" in bar
    for said in (" 25 % ", "1/4 shards", "99 rows", "10 rows/s", "1 rejected", "30 s left", "$0.0"):
        assert said in bar, said


def test_columns_stand_beside_what_the_first_record_has() -> None:
    match = {
        "input": "x",
        "columns": ["age", "note", "day", "… 9 more"],
        "by": "columns",
        "first": ["41", "[b]\nc", None],
    }
    assert batch_views.columns({"columns": [match]}) == [
        "x ← age=41, note=[b] c, day, … 9 more (as chosen; values of the first record)"
    ]


def test_a_job_that_is_not_planned_has_no_bar_yet(bench: Bench) -> None:
    bench.store.rows.clear()
    bench.job()
    assert render(batch_views.live(document(bench))) == "iris j1  queued\n"


def test_a_job_without_a_size_is_as_far_as_its_shards(bench: Bench) -> None:
    value = {**document(bench), "percent": None}
    assert batch_views.percent(value) == 25.0


def test_a_job_that_is_to_end_says_so_while_it_goes(bench: Bench) -> None:
    value = {**document(bench), "cancel_requested": True}
    assert "running, asked to be cancelled" in render(batch_views.live(value))
    assert batch_views.line(value).startswith("running, asked to be cancelled: 1/4 shards")


def test_many_inputs_are_shown_by_the_first(bench: Bench) -> None:
    value = {**document(bench), "input": ["s3://one/a", "s3://one/b", "s3://one/c"]}
    assert "s3://one/a and 2 more → s3://" in render(batch_views.job(value))


def test_what_ended_well_names_the_command_that_downloads_it(bench: Bench) -> None:
    bench.store.rows.clear()
    bench.ended()
    text = render(batch_views.job(document(bench)))
    assert "iris version 3: succeeded" in text
    assert "`serval batch download j1` fetches what it wrote" in text


@pytest.mark.parametrize(
    ("dollars", "said"), [(0.0, "$0.0000"), (0.0123, "$0.0123"), (12, "$12.00")]
)
def test_costs_are_shown_however_small(dollars: float, said: str) -> None:
    assert batch_views.dollars(dollars) == said
