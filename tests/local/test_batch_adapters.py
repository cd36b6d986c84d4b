"""What batch jobs need of AWS, against an emulator of its own."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from serval.aws.dynamodb.jobs import JobTable
from serval.aws.s3.batch_objects import CONNECTIONS, S3Objects
from serval.aws.s3.object_sinks import ObjectSink
from serval.aws.stepfunctions.task_tokens import StepFunctionsTasks
from serval.batch.assemble.join import LEAST_BYTES, literal_range, plan_parts
from serval.batch.job import lifecycle
from serval.batch.job.job import BatchJob, OutputPiece, ShardRecord
from serval.batch.job.keys import Address, Range
from serval.batch.job.lifecycle import change_job
from serval.batch.job.options import JobOptions
from serval.batch.shard.tasks import StaleToken
from serval.bootstrap.events import batch_events
from serval.errors import BatchRefused
from serval_cli.local.aws_client import CONFIG, create_session
from tests.fakes.batch import DATA, BatchStage
from tests.fakes.filled import SAMPLES, filled
from tests.fakes.requests import START
from tests.fakes.tables import create_jobs_table

SAMPLES.setdefault(JobOptions, JobOptions(format="csv", columns={"x": ("a",)}))
SAMPLES.setdefault(tuple[dict[str, Any], ...], ({"input": "x", "columns": ["a"], "by": "name"},))
SAMPLES.setdefault(tuple[OutputPiece, ...], (OutputPiece("parts/00000.csv", 9, "v1", 3),))
MIB = 2**20


@pytest.fixture(scope="module")
def s3(endpoint: str) -> Any:
    client = create_session().client("s3", endpoint_url=endpoint, config=CONFIG.merge(CONNECTIONS))
    client.create_bucket(Bucket=DATA)
    client.put_bucket_versioning(Bucket=DATA, VersioningConfiguration={"Status": "Enabled"})
    return client


@pytest.fixture
def objects(s3: Any) -> S3Objects:
    return S3Objects(s3)


@pytest.fixture
def store(endpoint: str) -> Iterator[JobTable]:
    dynamodb = create_session().resource("dynamodb", endpoint_url=endpoint, config=CONFIG)
    table = create_jobs_table(dynamodb, "jobs")
    yield JobTable(table)
    table.delete()


def at(key: str) -> Address:
    return Address(DATA, key)


def job(job_id: str = "j1", **members: Any) -> BatchJob:
    plain = BatchJob(id=job_id, model="iris", created="2026-11-21T10:15:00.000Z", updated="")
    return replace(plain, **members)


def test_rows_come_back_as_they_were_written(store: JobTable) -> None:
    row = filled(BatchJob, id="j/ü", finished="2026-11-21T10:15:02.000Z", revision=0)
    shard = filled(ShardRecord, job="j/ü", index=12, updated="2026-11-21T10:15:02.000Z")

    assert store.create(row)
    assert not store.create(replace(row, model="other"))
    assert store.record(shard)

    assert store.find("j/ü") == row
    assert store.shard("j/ü", 12) == shard
    assert store.find("another") is None
    assert store.shard("j/ü", 13) is None


def test_a_row_is_changed_by_one_writer_at_a_time(store: JobTable) -> None:
    row = job()
    store.create(row)
    planning = lifecycle.plan(row, START)

    assert store.save(row, planning)
    assert not store.save(row, lifecycle.cancel(row, START))

    stopped = change_job(store, row, lambda now: lifecycle.cancel(now, START))
    assert (stopped.status, stopped.cancel_requested, stopped.revision) == ("planning", True, 2)


def test_jobs_of_a_model_are_listed_newest_first_without_their_shards(store: JobTable) -> None:
    for day in (20, 22, 21):
        store.create(job(f"j{day}", created=f"2026-11-{day}T00:00:00.000Z"))
    store.create(job("other", model="other"))
    store.record(ShardRecord(job="j22", index=0, updated="2026-11-21T10:15:00.000Z"))

    assert [one.id for one in store.of_model("iris", 2)] == ["j22", "j21"]


def test_shards_are_listed_in_order_and_a_done_one_stays(store: JobTable) -> None:
    for index in (10_000 - 1, 12, 0):
        store.record(ShardRecord(job="j", index=index, updated="2026-11-21T10:15:00.000Z"))
    done = ShardRecord(job="j", index=12, status="done", rows=7, updated="2026-11-21T10:15:00.000Z")

    assert store.record(done)
    assert not store.record(replace(done, status="running", rows=0))
    assert [record.index for record in store.shards("j")] == [0, 12, 9_999]
    assert store.shard("j", 12) == done


def test_an_object_is_read_as_it_was_found(objects: S3Objects, s3: Any) -> None:
    s3.put_object(Bucket=DATA, Key="in/rows.csv", Body=b"0123456789")
    pinned = objects.find(at("in/rows.csv"))
    (listed,) = objects.list(at("in/"))
    assert pinned is not None
    assert (pinned.size_bytes, listed.size_bytes) == (10, 10)
    assert pinned.version_id is not None
    assert list(objects.read(listed, 2, 9, 3)) == [b"234", b"567", b"8"]

    s3.put_object(Bucket=DATA, Key="in/rows.csv", Body=b"abcdefghij")

    assert b"".join(objects.read(pinned, 0, 10, 4)) == b"0123456789"
    with pytest.raises(BatchRefused, match=r"in/rows\.csv was changed since the job was planned"):
        list(objects.read(listed, 0, 10, 4))
    s3.delete_object(Bucket=DATA, Key="in/rows.csv")
    with pytest.raises(BatchRefused, match=r"in/rows\.csv is gone since the job was planned"):
        list(objects.read(listed, 0, 10, 4))


def test_what_is_not_there_is_none_or_said(objects: S3Objects) -> None:
    assert objects.find(at("nothing")) is None
    assert objects.get(at("nothing")) is None
    with pytest.raises(BatchRefused, match="there is no such bucket"):
        list(objects.list(Address("no-such-bucket-here", "in/")))


def test_a_prefix_is_claimed_once(objects: S3Objects) -> None:
    assert objects.claim(at("o/plan/job.json"), b"first") == b"first"
    assert objects.claim(at("o/plan/job.json"), b"second") == b"first"
    assert objects.claim(at("o/plan/job.json"), b"second", instead_of=b"another") == b"first"
    assert objects.claim(at("o/plan/job.json"), b"second", instead_of=b"first") == b"second"
    assert objects.claim(at("o/plan/job.json"), b"third", instead_of=b"first") == b"second"


@pytest.mark.parametrize("size", [0, 1, 8 * MIB, 20 * MIB + 1])
def test_a_sink_writes_what_comes_whole(objects: S3Objects, s3: Any, size: int) -> None:
    sink = objects.sink(at(f"sink/{size}"))
    body = bytes(range(256)) * (size // 256) + bytes(size % 256)
    for start in range(0, size, 3 * MIB):
        sink.write(body[start : start + 3 * MIB])
    assert objects.find(at(f"sink/{size}")) is None

    sink.close()

    piece = sink.piece()
    if not size:
        assert piece is None
        assert objects.find(at("sink/0")) is None
        return
    assert piece is not None
    assert (piece.size_bytes, objects.get(at(piece.key))) == (size, body)
    assert objects.read_piece(DATA, piece, size - 1, size) == body[-1:]
    s3.put_object(Bucket=DATA, Key=piece.key, Body=b"another")
    assert objects.read_piece(DATA, piece, 0, 1) == body[:1]


def test_a_sink_that_is_given_up_leaves_nothing(objects: S3Objects, s3: Any) -> None:
    sink = objects.sink(at("given-up"))
    sink.write(bytes(9 * MIB))
    sink.abort()

    assert objects.find(at("given-up")) is None
    assert not s3.list_multipart_uploads(Bucket=DATA).get("Uploads")


def test_a_sinks_parts_grow(objects: S3Objects, s3: Any) -> None:
    sink = ObjectSink(s3, at("grown"), part_bytes=5 * MIB)
    sink._tags = ["of parts before"] * 1_000
    sink._upload = s3.create_multipart_upload(Bucket=DATA, Key="grown")["UploadId"]
    sink.write(bytes(9 * MIB))
    assert len(sink._tags) == 1_000
    sink.write(bytes(1 * MIB))
    assert len(sink._tags) == 1_001
    sink.abort()


def test_parts_are_joined_in_order(objects: S3Objects, s3: Any) -> None:
    bodies = [b"a" * (6 * MIB), b"b" * 10, b"c" * (3 * MIB), b"d" * (12 * MIB), b"e"]
    ranges = [literal_range(b"header\n")]
    for index, body in enumerate(bodies):
        sink = objects.sink(at(f"joined/{index}"))
        sink.write(body)
        sink.close()
        piece = sink.piece()
        assert piece is not None
        ranges.append(Range(piece, 0, piece.size_bytes))
        s3.put_object(Bucket=DATA, Key=piece.key, Body=b"written again meanwhile")
    parts = plan_parts(ranges)
    assert any(part.copied for part in parts)
    assert all(part.size_bytes >= LEAST_BYTES for part in parts[:-1])

    objects.join(at("joined/output"), parts)

    assert objects.get(at("joined/output")) == b"header\n" + b"".join(bodies)
    objects.join(at("joined/small"), plan_parts([literal_range(b"only this")]))
    assert objects.get(at("joined/small")) == b"only this"
    objects.join(at("joined/empty"), [])
    assert objects.get(at("joined/empty")) == b""
    objects.delete([at("joined/small"), at("joined/empty"), at("joined/never-there")])
    assert objects.get(at("joined/small")) is None


def test_a_whole_job_runs_over_s3_and_dynamodb(
    objects: S3Objects, store: JobTable, s3: Any
) -> None:
    rows = [(f'a "note"\nof {index}', index, 1) for index in range(3_000)]
    text = io.StringIO()
    csv.writer(text).writerows([("note", "x_0", "x_1"), *rows])
    key = "batch/adding/in/rows.csv"
    s3.put_object(
        Bucket=DATA,
        Key=f"{key}.options.json",
        Body=json.dumps({"shard_bytes": 9_000, "output": {"join": True}}),
    )
    s3.put_object(Bucket=DATA, Key=key, Body=text.getvalue().encode())
    stage = BatchStage(objects=objects, store=store, blocks_per_invocation=2)
    stage.planning = replace(stage.planning, timer=stage.ticker.timer)
    event = {"detail": {"bucket": {"name": DATA}, "object": {"key": key}}}

    done = stage.run(event)

    assert (done.status, done.error, done.rows) == ("succeeded", None, 3_000)
    assert done.shards >= 8
    output = objects.get(Address(DATA, f"batch/adding/out/{done.id}/output.csv")) or b""
    answered = list(csv.reader(io.StringIO(output.decode(), newline="")))[1:]
    assert [(note, int(a), int(b)) for note, a, b, *_ in answered] == rows
    assert stage.run(event, owner="another execution").error == (
        f"job {done.id} was started for this before"
    )


def test_tokens_that_nobody_waits_for_are_stale(endpoint: str) -> None:
    client = create_session().client("stepfunctions", endpoint_url=endpoint, config=CONFIG)
    tasks = StepFunctionsTasks(client)
    for call in (
        lambda: tasks.heartbeat("no such token"),
        lambda: tasks.succeed("no such token", {}),
        lambda: tasks.fail("no such token", "JobStopped", "why"),
    ):
        with pytest.raises(StaleToken):
            call()


def test_events_are_taken(endpoint: str, caplog: pytest.LogCaptureFixture) -> None:
    client = create_session().client("events", endpoint_url=endpoint, config=CONFIG)
    batch_events(client).announce(job())
    assert not caplog.records
