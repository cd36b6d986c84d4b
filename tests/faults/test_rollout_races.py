"""Rollouts of one model that meet: repeated events, the same bytes, uploads that race.

These are the outcomes that docs/rollouts.md promises.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from serval.foreign import ObjectCreated
from serval.models.route import Route
from serval.rollouts.policy.decide import Promote
from tests.fakes.executions import Execution, Outcome
from tests.fakes.registration import scaling_bundle
from tests.fakes.stage import BUCKET, Stage
from tests.stateful.interruptions import Interrupted, Interrupting, Interruption


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def upload(stage: Stage, name: str, factor: float) -> ObjectCreated:
    return stage.upload("scaling", name, scaling_bundle(factor=factor))


def roll_out(stage: Stage, name: str, factor: float) -> Outcome:
    return stage.roll_out(upload(stage, name, factor), name)


def promote(stage: Stage, name: str) -> None:
    """Let a canary pass."""
    rollout = stage.registry.rollout_records["scaling", name]
    assert stage.control.apply(rollout, Promote("no harm")).status == "promoted"


def status(stage: Stage, name: str) -> str:
    return stage.registry.rollout_records["scaling", name].status


def meanwhile(stage: Stage, step: str, happens: Callable[[], Any]) -> None:
    """Let something happen once, just before a step of the next execution."""
    part = getattr(stage, step)
    method = {"golden": "check", "register": "register", "verify": "verify"}[step]

    class Interrupted:
        def __getattr__(self, name: str) -> Any:
            assert name == method
            setattr(stage, step, part)
            happens()
            return getattr(part, name)

    setattr(stage, step, Interrupted())


# Repeated


def test_the_same_event_twice_is_one_rollout(stage: Stage):
    event = upload(stage, "u1", 2)
    stage.roll_out(event, "first")
    before = (dict(stage.registry.routes), dict(stage.registry.rollout_records))

    assert stage.roll_out(event, "second").status == "ignored"
    assert stage.roll_out(event, "first").status == "ignored"
    assert (stage.registry.routes, stage.registry.rollout_records) == before


def test_the_same_event_while_its_rollout_runs_is_ignored(stage: Stage):
    event = upload(stage, "u1", 2)
    seen: list[str] = []
    meanwhile(stage, "golden", lambda: seen.append(stage.roll_out(event, "second").status))

    assert stage.roll_out(event, "first").status == "promoted"
    assert seen == ["ignored"]
    assert len(stage.registry.rollout_records) == 1


def test_an_event_without_a_version_id_is_the_same_event(stage: Stage):
    event = upload(stage, "u1", 2)

    assert stage.roll_out(ObjectCreated(BUCKET, event.key, None), "a").status == "promoted"
    assert stage.roll_out(event, "b").status == "ignored"


def test_the_same_bytes_twice_are_one_version(stage: Stage):
    roll_out(stage, "u1", 2)

    outcome = roll_out(stage, "u2", 2)

    assert outcome == Outcome("promoted", "version 1 takes all traffic", "1")
    assert list(stage.registry.records) == [("scaling", "1")]
    assert stage.registry.routes["scaling"] == Route("1", rollout="u2", revision=2)


def test_the_bytes_of_the_candidate_pushed_again_begin_its_rollout_anew(stage: Stage):
    roll_out(stage, "u1", 2)
    roll_out(stage, "u2", 3)

    outcome = roll_out(stage, "u3", 3)

    assert (outcome.status, outcome.version) == ("running", "2")
    assert status(stage, "u2") == "superseded"
    assert stage.registry.routes["scaling"] == Route("1", "2", 10, "u3", revision=3)


def test_old_bytes_pushed_again_roll_out_the_old_version(stage: Stage):
    roll_out(stage, "u1", 2)
    roll_out(stage, "u2", 3)
    promote(stage, "u2")

    outcome = roll_out(stage, "u3", 2)

    assert (outcome.status, outcome.version) == ("running", "1")
    assert stage.registry.routes["scaling"] == Route("2", "1", 10, "u3", revision=4)


def test_a_new_manifest_under_the_same_upload_is_a_rollout_of_its_own(stage: Stage):
    roll_out(stage, "u1", 2)

    outcome = stage.roll_out(upload(stage, "u1", 3), "again")

    assert (outcome.status, outcome.version) == ("running", "2")
    first, second = stage.registry.rollouts("scaling")
    assert (first.rollout, first.version, first.status) == ("u1", "1", "promoted")
    assert (second.rollout.split(".")[0], second.version) == ("u1", "2")


# Racing


def test_a_rollout_started_while_one_runs_supersedes_it(stage: Stage):
    roll_out(stage, "u1", 2)
    roll_out(stage, "u2", 3)

    outcome = roll_out(stage, "u3", 5)

    assert (outcome.status, outcome.version) == ("running", "3")
    older = stage.registry.rollout_records["scaling", "u2"]
    assert (older.status, older.reason) == ("superseded", "rollout u3 took its place")
    assert stage.evaluate("scaling", "u2") == "superseded"
    assert stage.registry.routes["scaling"] == Route("1", "3", 10, "u3", revision=3)


def test_of_two_uploads_that_race_the_later_one_keeps_the_traffic(stage: Stage):
    roll_out(stage, "u0", 2)
    older = upload(stage, "older", 3)
    meanwhile(stage, "register", lambda: roll_out(stage, "newer", 5))

    outcome = stage.roll_out(older, "older")

    assert outcome == Outcome(
        "superseded", "rollout newer of a later upload was faster", outcome.version
    )
    assert status(stage, "newer") == "running"
    assert stage.registry.routes["scaling"].rollout == "newer"
    assert len(stage.registry.versions("scaling")) == 3


def test_of_two_first_uploads_that_race_the_later_one_keeps_the_traffic(stage: Stage):
    meanwhile(stage, "golden", lambda: roll_out(stage, "newer", 5))

    assert roll_out(stage, "older", 3).status == "superseded"
    assert stage.registry.routes["scaling"] == Route("1", rollout="newer", revision=1)
    assert status(stage, "newer") == "promoted"


def test_two_uploads_of_the_same_bytes_that_race_are_one_version(stage: Stage):
    meanwhile(stage, "register", lambda: roll_out(stage, "newer", 2))

    assert roll_out(stage, "older", 2).status == "superseded"
    assert status(stage, "newer") == "promoted"
    assert [version.version for version in stage.registry.versions("scaling")] == ["1"]
    assert stage.registry.routes["scaling"] == Route("1", rollout="newer", revision=1)


def test_a_route_that_another_writer_changes_meanwhile_is_read_again(stage: Stage):
    roll_out(stage, "u1", 2)
    stage.registry.rival = Route("1", rollout="by-hand:2", revision=7)

    assert roll_out(stage, "u2", 3).status == "running"
    assert stage.registry.routes["scaling"] == Route("1", "2", 10, "u2", revision=8)


def test_a_version_changed_by_hand_meanwhile_is_where_the_rollout_starts(stage: Stage):
    for name, factor in (("u1", 2), ("u2", 3)):
        roll_out(stage, name, factor)
    promote(stage, "u2")
    back = lambda: stage.control.go_to("scaling", "1", "by hand")  # noqa: E731
    meanwhile(stage, "register", back)

    assert roll_out(stage, "u3", 5).status == "running"
    assert stage.registry.routes["scaling"] == Route("1", "3", 10, "u3", revision=5)


@pytest.mark.parametrize("step", ["verify", "golden", "register"])
def test_a_rollout_ended_by_hand_stops_at_the_next_step(stage: Stage, step: str):
    roll_out(stage, "u1", 2)

    def abort() -> None:
        rollout = stage.registry.rollout_records["scaling", "u2"]
        stage.control.abort(rollout, "aborted by hand")

    meanwhile(stage, step, abort)

    outcome = roll_out(stage, "u2", 3)

    assert (outcome.status, outcome.reason) == ("rolled back", "aborted by hand")
    assert stage.registry.routes["scaling"] == Route("1", rollout="u1", revision=1)
    assert not any(key.startswith("models/scaling/2/") for key in stage.published())


# What an upload is


def test_files_replaced_after_the_claim_are_not_what_is_registered(stage: Stage):
    good = scaling_bundle()
    event = stage.upload("scaling", "u1", good)
    later = scaling_bundle(factor=9)["model.onnx"]
    meanwhile(stage, "verify", lambda: stage.bucket.put("incoming/scaling/u1/model.onnx", later))

    assert stage.roll_out(event).status == "promoted"
    assert stage.published()["models/scaling/1/model.onnx"] == good["model.onnx"]


def test_an_upload_deleted_before_its_event_is_ignored(stage: Stage):
    gone = ObjectCreated(BUCKET, "incoming/scaling/u1/manifest.json", None)

    assert stage.roll_out(gone).status == "ignored"
    assert stage.registry.rollout_records == {}


def test_an_execution_hands_on_nothing_that_is_no_json(stage: Stage):
    execution = Execution(stage, upload(stage, "u1", 2), "me")

    assert execution.run().status == "promoted"
    assert [step for step, _ in execution.began] == [
        "claim",
        "verify",
        "optimise",
        "golden",
        "register",
    ]


def test_two_manifests_of_one_upload_that_are_claimed_at_once_are_two_rollouts(stage: Stage):
    first, second = upload(stage, "u1", 2), upload(stage, "u1", 3)
    interrupting = Interrupting()
    reached: Any = Interrupted(stage.registry, interrupting)
    claiming = replace(stage.claim, control=replace(stage.control, registry=reached))
    begun: list[str] = []

    def claim(event: ObjectCreated, owner: str) -> None:
        begun.append(claiming.claim(event, owner)["rollout"])

    before_its_record = Interruption(0, "meanwhile", conditional=True)
    interrupting.run(
        lambda: claim(first, "first"), before_its_record, lambda: claim(second, "second")
    )

    assert len(set(begun)) == 2
    assert set(begun) == {one.rollout for one in stage.registry.rollouts("scaling")}
