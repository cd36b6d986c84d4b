"""``serval batch``: jobs started, followed, listed, cancelled and retried over the API."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from serval.batch.job import lifecycle
from serval.batch.job.lifecycle import JobTotals
from tests.fakes.batch_api import DATA_BUCKET, PLANNED
from tests.fakes.batch_stage import BatchStage

SOURCE = "s3://orders/rows.csv"


@pytest.fixture
def user(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> BatchStage:
    """Build a user at a terminal."""
    return BatchStage(monkeypatch, capsys)


def turns(*steps: Callable[[], object]) -> Callable[[], object]:
    """Do one step at each call; then nothing any more."""
    left: Iterator[Callable[[], object]] = iter(steps)
    return lambda: next(left, lambda: None)()


def plan(user: BatchStage) -> None:
    bench = user.bench
    planning = lifecycle.plan(bench.row, bench.clock())
    bench.put(lifecycle.run(replace(planning, version="3"), PLANNED, bench.clock()))


def work(user: BatchStage, shard: int, *, rejected: int = 0) -> None:
    user.bench.clock.pass_seconds(1)
    user.bench.shard(
        shard,
        user.bench.row.id,
        status="done",
        rows=100 - rejected,
        rejected=rejected,
        read_bytes=1000,
        busy_ms=1000,
    )


def end(user: BatchStage, status: str = "succeeded", error: str | None = None) -> None:
    bench = user.bench
    done = JobTotals(rows=398, rejected=2, shards_done=4, busy_ms=4000, microdollars=1500)
    over = lifecycle.succeed(bench.row, done, bench.clock())
    bench.put(replace(over, status=status, error=error))  # type: ignore[arg-type]


def test_a_job_is_started_and_its_id_said(user: BatchStage) -> None:
    ended = user.serval("batch", "run", "iris", SOURCE)
    row = user.bench.row
    assert (ended.code, row.input) == (0, (SOURCE,))
    for said in (row.id, "iris: queued", f"{SOURCE} → {row.output}", "serval batch watch"):
        assert said in ended.out
    assert user.asked == ["POST /batch/models/iris/jobs"]


def test_the_versions_that_the_steps_of_a_pipeline_asked_are_shown(user: BatchStage) -> None:
    user.serval("batch", "run", "iris", SOURCE)
    end(user)
    job_id = user.bench.row.id
    assert "of its steps" not in user.serval("batch", "show", job_id).out
    asked = (("tags", "9"), ("tags", "10"), ("words", "1"))
    user.bench.put(replace(user.bench.row, step_versions=asked))
    said = user.serval("batch", "show", job_id)
    assert "versions of its steps: tags 9, 10; words 1" in said.out
    value = user.serval("batch", "show", job_id, "--json").value
    assert value["step_versions"] == {"tags": ["9", "10"], "words": ["1"]}


def test_what_is_chosen_on_the_line_becomes_the_jobs_options(user: BatchStage) -> None:
    value = user.serval(
        *("batch", "run", "iris", SOURCE, "--output", "s3://out/iris/{date}/", "--join", "--json"),
        *("--format", "csv", "--output-format", "parquet", "--concurrency", "3"),
        *("--columns", "measurements=a,b,c,d", "--max-rejected-percent", "0"),
    ).value
    options = user.bench.row.options
    assert value["output"] == "s3://out/iris/2026-11-21/"
    assert (options.format, options.concurrency, options.max_rejected_percent) == ("csv", 3, 0.0)
    assert options.columns == {"measurements": ("a", "b", "c", "d")}
    assert (options.output.format, options.output.join) == ("parquet", True)


def test_further_options_come_from_a_file_and_the_line_wins(
    user: BatchStage, tmp_path: Path
) -> None:
    file = tmp_path / "options.json"
    chosen = {"concurrency": 7, "csv": {"delimiter": ";"}, "output": {"partitioned": True}}
    file.write_text(json.dumps(chosen))
    user.serval(
        *("batch", "run", "iris", SOURCE, "--options", str(file), "--join", "--concurrency", "2")
    )
    options = user.bench.row.options
    assert (options.concurrency, options.csv.delimiter) == (2, ";")
    assert (options.output.partitioned, options.output.join) == (True, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["Iris", SOURCE], "'Iris' is not a model name"),
        (["iris", SOURCE, "--columns", "a,b"], "--columns 'a,b': an input and its columns"),
        (["iris", SOURCE, "--columns", '{"x": ["a"'], "is not JSON: "),
        (["iris", SOURCE, "--columns", '{"x": "a"}'], 'expected, as {"x": ["a", "b"]}'),
        (["iris", SOURCE, "--columns", "x="], "--columns 'x=': an input and its columns"),
        (["iris", "nowhere.csv"], "'nowhere.csv' is neither a file or folder here nor an address"),
        (["rose", SOURCE], "404 Not Found: model 'rose' is not registered"),
        (["iris", "s3://a"], "400 Bad Request: input: 's3://a' given, 's3://bucket/key' expected"),
        (["iris", "s3://orders/", "--output", "s3://orders/out/"], "overlaps input s3://orders/"),
        (["iris", SOURCE, "--concurrency", "2000"], "concurrency: 2000 given, 1 to 1000 expected"),
    ],
)
def test_what_cannot_be_done_fails_in_words(user: BatchStage, words: list[str], said: str) -> None:
    assert said in user.serval("batch", "run", *words).failure
    assert user.bench.store.rows == {}


def test_options_that_are_no_object_are_refused(user: BatchStage, tmp_path: Path) -> None:
    file = tmp_path / "options.json"
    file.write_text("[1]")
    failure = user.serval("batch", "run", "iris", SOURCE, "--options", str(file)).failure
    assert "--options: a JSON object expected" in failure


def test_a_file_here_is_uploaded_where_uploads_start_nothing(
    user: BatchStage, tmp_path: Path
) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("a,b\n1,2\n")
    ended = user.serval("batch", "run", "iris", str(rows))
    (source,) = user.bench.row.input
    assert source.startswith(f"s3://{DATA_BUCKET}/batch/iris/cli/")
    assert source.endswith("/rows.csv")
    assert user.payloads.stored == {source: b"a,b\n1,2\n"}
    assert "upload" in ended.err


def test_a_folder_here_becomes_a_prefix_without_hidden_files(
    user: BatchStage, tmp_path: Path
) -> None:
    for name in ("b/two.png", "one.png", ".DS_Store", ".git/config"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    user.serval("batch", "run", "iris", str(tmp_path), "--format", "objects")
    (prefix,) = user.bench.row.input
    assert prefix.endswith("/")
    assert {key.removeprefix(prefix) for key in user.payloads.stored} == {"b/two.png", "one.png"}


def test_nothing_is_uploaded_for_a_model_that_is_not_there(
    user: BatchStage, tmp_path: Path
) -> None:
    (tmp_path / "rows.csv").write_text("1\n")
    failure = user.serval("batch", "run", "rose", str(tmp_path / "rows.csv")).failure
    assert "'rose' is not registered" in failure
    assert user.payloads.stored == {}


def test_columns_may_be_given_as_the_refusal_writes_them(user: BatchStage) -> None:
    columns = '{"measurements": ["a, b", "c=d", "e", "f"]}'
    user.serval("batch", "run", "iris", SOURCE, "--columns", columns)
    assert user.bench.row.options.columns == {"measurements": ("a, b", "c=d", "e", "f")}


def test_an_empty_folder_is_no_input(user: BatchStage, tmp_path: Path) -> None:
    assert "has no files" in user.serval("batch", "run", "iris", str(tmp_path)).failure


def test_a_dry_run_says_what_it_would_take(user: BatchStage) -> None:
    ended = user.serval("batch", "run", "iris", SOURCE, "--dry-run")
    for said in ("nothing was started", "1 file, 4,000 bytes, about 400 rows, 4 shards", "30 s"):
        assert said in ended.out
    assert "$0.0012" in ended.out
    assert user.serval("batch", "run", "iris", SOURCE, "--dry-run", "--json").value["dry_run"]
    assert user.bench.store.rows == {}


def test_a_watched_job_says_a_line_for_each_change(user: BatchStage) -> None:
    user.meanwhile = turns(
        lambda: plan(user),
        lambda: work(user, 0, rejected=2),
        lambda: None,
        lambda: work(user, 1),
        lambda: end(user),
    )
    ended = user.serval("batch", "run", "iris", SOURCE, "--watch")
    lines = ended.out.splitlines()
    assert ended.code == 0, ended
    assert lines[0] == "queued"
    assert lines[1].startswith("running: 0/4 shards, 0 rows, 0 rejected")
    assert lines[2].startswith("running: 1/4 shards, 98 rows, ")
    assert "2 rejected" in lines[2]
    assert "s left, $0.0" in lines[2]
    assert lines[3].startswith("running: 2/4 shards, 198 rows")
    assert lines[4].startswith("succeeded: 4/4 shards, 398 rows")
    assert lines[5] == user.bench.row.id


def test_watching_with_json_prints_a_value_for_each_change(user: BatchStage) -> None:
    user.meanwhile = turns(lambda: plan(user), lambda: work(user, 0), lambda: end(user))
    out = user.serval("batch", "run", "iris", SOURCE, "--watch", "--json").out
    values = [json.loads(line) for line in out.splitlines()]
    assert [value["status"] for value in values] == ["queued", "running", "running", "succeeded"]


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_a_watched_job_that_did_not_succeed_ends_with_1(user: BatchStage, status: str) -> None:
    user.bench.running()
    user.meanwhile = turns(lambda: end(user, status, "row 7: no number"))
    ended = user.serval("batch", "watch", "j1")
    assert ended.code == 1
    assert f"{status}: 4/4 shards" in ended.out
    assert "row 7: no number" in ended.out
    assert "`serval batch retry j1` runs what was not done" in ended.out


def test_watching_outlasts_a_short_outage(user: BatchStage) -> None:
    user.bench.running()
    # Each failed look is followed by a pause of its own.
    down, nothing = (lambda: setattr(user, "outage", 3)), (lambda: None)
    user.meanwhile = turns(down, nothing, nothing, nothing, lambda: end(user))
    ended = user.serval("batch", "watch", "j1")
    assert (ended.code, user.outage) == (0, 0), ended


def test_watching_ends_when_the_api_is_gone(user: BatchStage) -> None:
    user.bench.running()
    user.meanwhile = lambda: setattr(user, "outage", 1000)
    ended = user.serval("batch", "watch", "j1")
    assert ended.code == 1
    assert "http://api does not answer: the network is down" in " ".join(ended.err.split())


def test_watching_ends_when_nothing_moves_for_an_hour(user: BatchStage) -> None:
    user.bench.running()
    ended = user.serval("batch", "watch", "j1")
    assert ended.code == 1
    assert "job j1 has not moved for 60 minutes" in ended.err
    assert 3600 < user.seconds < 3700


def test_ctrl_c_leaves_the_job_running_and_says_so(user: BatchStage) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    user.bench.running()
    user.meanwhile = interrupt
    ended = user.serval("batch", "watch", "j1")
    assert ended.code == 130
    assert "the job goes on: `serval batch watch j1`" in ended.err
    assert user.bench.row.status == "running"


def test_jobs_are_listed_newest_first(user: BatchStage) -> None:
    user.bench.ended("j1", created="2026-11-20T10:00:00.000Z", status="failed", error="no\nheader")
    user.bench.running("j2", model="digits")
    user.bench.job("j3", created="2026-11-21T12:00:00.000Z", origin="schedule", name="nightly")
    listed = user.serval("batch", "list", "--json").value["jobs"]
    assert [job["id"] for job in listed] == ["j3", "j2", "j1"]
    out = user.serval("batch", "list").out
    for said in ("schedule nightly", "no header", "398", "digits:3"):
        assert said in out
    one = user.serval("batch", "list", "digits", "--json").value["jobs"]
    assert [job["id"] for job in one] == ["j2"]
    assert len(user.serval("batch", "list", "--limit", "1", "--json").value["jobs"]) == 1


def test_a_stage_without_jobs_says_how_to_start_one(user: BatchStage) -> None:
    assert "no batch jobs: `serval batch run MODEL INPUT`" in user.serval("batch", "list").out


def test_a_job_shows_where_it_stands(user: BatchStage) -> None:
    user.bench.running()
    user.bench.clock.pass_seconds(10)
    user.bench.shard(0, status="done", rows=99, rejected=1, read_bytes=1000)
    out = user.serval("batch", "show", "j1").out
    for said in (
        "iris version 3: running",
        "1/4 shards, 99 rows",
        "1 rejected",
        "planned: a file (csv), 4,000 bytes, about 400 rows, 30 s, $0.0012",
        "started by the API 2026-11-21 10:15:00",
        "`serval batch watch j1` follows it",
    ):
        assert said in out
    assert user.serval("batch", "show", "j1", "--json").value["percent"] == 25.0


def test_a_job_that_is_not_there_is_said(user: BatchStage) -> None:
    for command in ("show", "watch", "cancel", "retry"):
        failure = user.serval("batch", command, "j9").failure
        assert "404 Not Found: batch job 'j9' does not exist, or is not yours" in failure


def test_a_cancelled_job_says_what_was_done(user: BatchStage) -> None:
    user.bench.running()
    user.bench.shard(0, status="done", rows=100)
    out = user.serval("batch", "cancel", "j1").out
    assert "iris version 3: cancelled" in out
    assert "1/4 shards, 100 rows" in out
    assert "`serval batch retry j1` runs what was not done" in out
    assert user.asked == ["DELETE /batch/jobs/j1"]


def test_a_retried_job_is_followed_on_request(user: BatchStage) -> None:
    user.bench.ended(status="failed", error="a shard failed")
    user.meanwhile = turns(lambda: end(user))
    value = user.serval("batch", "retry", "j1", "--json").value
    assert (value["status"], value["attempt"]) == ("queued", 2)
    end(user, "failed")
    ended = user.serval("batch", "retry", "j1", "--watch")
    assert ended.code == 0, ended


def test_what_cannot_be_retried_says_why(user: BatchStage) -> None:
    user.bench.ended()
    failure = user.serval("batch", "retry", "j1").failure
    assert "409 Conflict: batch job 'j1': it has succeeded" in failure
