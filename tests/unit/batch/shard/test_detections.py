"""What a model finds with a score over a limit is told as an event."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from serval.batch.job.job import EVENTS_OF_A_SHARD
from serval.batch.shard.detections import BOX, json_schema
from serval.batch.shard.engine import RowCounts
from serval.batch.shard.watch import ShardWatch
from serval.bundles.bundle import read_bundle
from serval.errors import BundleRefused, InferenceFailed
from serval.tasks.parameters import Parameters
from serval.tasks.task import InputKind
from tests.fakes.batch import DATA, BatchStage, scheduled

SCHEMA = Path(__file__).parents[4] / "docs" / "detection-event.schema.json"
PERSON = {"label": "person", "score": 0.9, "box": dict(zip(BOX, (1, 2, 3, 4), strict=True))}
DEER = {"label": "deer", "score": 0.7, "box": dict(zip(BOX, (5, 6, 7, 8), strict=True))}
FAINT = {**PERSON, "score": 0.5}


class Seeing:
    """A task that answers an image with what its bytes say; it fails on some of them."""

    takes: ClassVar[InputKind] = "image"
    accepts: ClassVar[frozenset[str]] = frozenset()
    answers_in_list: ClassVar[bool] = False

    def answer(self, inputs: Sequence[Any], parameters: Parameters) -> list[Any]:
        if b"broken" in inputs:
            raise InferenceFailed("adding", "1", "broken")
        return [json.loads(image) for image in inputs]


def stage(events: Mapping[str, Any] | None = None, **more: Any) -> BatchStage:
    """Make a stage whose model sees, and sends events if it is to."""
    told = {} if events is None else {"events": events}
    return BatchStage(task=Seeing(), bundle={"task": {"name": "object-detection", **told}}, **more)


def photo(*found: Mapping[str, Any]) -> bytes:
    return json.dumps(found).encode()


def test_the_schema_is_published() -> None:
    assert json.loads(SCHEMA.read_text()) == json_schema()


def test_a_photo_that_arrives_is_an_event_for_each_detection_over_the_limit() -> None:
    trap = stage({"over": 0.6})
    job = trap.run(trap.upload("trap-7/0001.jpg", photo(PERSON, FAINT, DEER)))
    assert job.status == "succeeded"
    assert [one.keys() == json_schema()["properties"].keys() for one in trap.detections] == [
        True
    ] * 2
    first, second = trap.detections
    assert first == {
        "id": f"{job.id}/0/0/0/0",
        "job": job.id,
        "model": "adding",
        "version": "1",
        "input": f"s3://{DATA}/batch/adding/in/trap-7/0001.jpg",
        "record": 0,
        **PERSON,
    }
    assert (second["id"], second["label"]) == (f"{job.id}/0/0/0/2", "deer")
    assert (trap.summary(job)["detections"], trap.summary(job)["events"]) == (2, 2)


def test_labels_choose_and_a_model_that_says_nothing_sends_nothing() -> None:
    for events, labels in (({"over": 0.6, "labels": ["deer"]}, ["deer"]), (None, [])):
        trap = stage(events)
        trap.run(trap.upload("a.jpg", photo(PERSON, DEER)))
        assert [one["label"] for one in trap.detections] == labels


def test_an_event_names_its_own_photo_beside_one_that_the_model_cannot_answer() -> None:
    trap = stage({"over": 0.6})
    for name, body in (("a", photo(DEER)), ("b", b"broken"), ("c", photo()), ("d", photo(PERSON))):
        trap.objects.upload(f"s3://in-bucket/new/{name}.jpg", body)
    trap.run(scheduled("s3://in-bucket/new/", {"max_rejected_percent": 50}))
    assert [(one["label"], one["input"][-5:], one["record"]) for one in trap.detections] == [
        ("deer", "a.jpg", 0),
        ("person", "d.jpg", 3),
    ]


def test_a_text_is_told_by_its_file_and_record_without_a_box() -> None:
    said = BatchStage(
        task=type("Judging", (Seeing,), {"takes": "text"})(),
        bundle={"task": {"name": "text-classification", "events": {"over": 0.6}}},
    )
    angry = json.dumps([{"label": "angry", "score": 0.8}])
    said.run(said.upload("mail.jsonl", b'{"text": "[]"}\n' + json.dumps({"text": angry}).encode()))
    [one] = said.detections
    assert (one["label"], one["record"], one["box"]) == ("angry", 1, None)
    assert one["input"] == f"s3://{DATA}/batch/adding/in/mail.jsonl"


def test_a_shard_sends_no_more_than_so_many_events_and_counts_the_rest() -> None:
    trap = stage({"over": 0.6})
    job = trap.run(trap.upload("a.jpg", photo(*[PERSON] * (EVENTS_OF_A_SHARD + 3))))
    assert len(trap.detections) == EVENTS_OF_A_SHARD
    assert trap.summary(job)["detections"] == EVENTS_OF_A_SHARD + 3
    assert trap.summary(job)["events"] == EVENTS_OF_A_SHARD
    quiet = stage()
    free = quiet.run(quiet.upload("a.jpg", photo(*[PERSON] * (EVENTS_OF_A_SHARD + 3))))
    assert job.microdollars - free.microdollars == pytest.approx(EVENTS_OF_A_SHARD, rel=0.1)


def test_a_shard_of_several_invocations_counts_the_detections_of_all() -> None:
    trap = stage({"over": 0.6}, measurements={"rows_per_second": 0.1}, blocks_per_invocation=1)
    for name in "abc":
        trap.objects.upload(f"s3://in-bucket/new/{name}.jpg", photo(PERSON))
    job = trap.run(scheduled("s3://in-bucket/new/"))
    assert "00000-2.jsonl" in trap.objects.under(f"{job.output}parts/")
    assert len({one["id"] for one in trap.detections}) == 3
    assert trap.summary(job)["detections"] == 3


def test_a_shard_that_dies_after_sending_sends_the_same_events_again() -> None:
    trap = stage({"over": 0.6})
    send, deaths = trap.work.send, [OSError("lost")]

    def dying(details: Sequence[Mapping[str, Any]]) -> None:
        send(details)
        if deaths:
            raise deaths.pop()

    object.__setattr__(trap.work, "send", dying)
    job = trap.run(trap.upload("a.jpg", photo(PERSON)))
    assert job.status == "succeeded"
    first, again = trap.detections
    assert first == again


def test_what_is_answered_but_not_yet_told_is_not_counted() -> None:
    trap = stage({"over": 0.6})
    job = trap.run(trap.upload("a.jpg", photo(PERSON)))
    [record] = trap.store.shards(job.id)
    time = trap.ticker
    watch = ShardWatch(trap.store, job, record, lambda: 900.0, lambda: None, time.clock, time.timer)
    watch.after_block(RowCounts(rows=1, detections=2))
    watch.answered = RowCounts(rows=3, detections=5)
    assert watch.current_record().rows == record.rows + 3
    assert watch.current_record().detections == record.detections + 2


@pytest.mark.parametrize(
    ("task", "why"),
    [
        ("{name: fill-mask, events: {over: 0.5}}", "'events' is for tasks that give labels"),
        ("{name: object-detection, events: {}}", "task.events.over is missing"),
        ("{name: object-detection, events: {over: 2}}", "less than or equal to 1"),
    ],
)
def test_events_that_could_never_be_are_refused(task: str, why: str) -> None:
    with pytest.raises(BundleRefused, match=why):
        read_bundle(f"name: a\ntask: {task}\n")
