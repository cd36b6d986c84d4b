"""Claim: one event of an upload begins one rollout, and says where every file lies."""

import json
from pathlib import Path
from typing import Any

import pytest

from serval.bundles.manifest import LIMIT_FILES
from serval.foreign import ObjectCreated
from serval.rollouts import outcomes
from serval.settings import pack
from tests.fakes.registration import Crash, edited_manifest, scaling_bundle
from tests.fakes.stage import BUCKET, Stage

GRAPH = scaling_bundle()["model.onnx"]


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def claim(stage: Stage, event: ObjectCreated, owner: str = "me") -> dict[str, Any]:
    return stage.claim.claim(event, owner)


def test_a_claim_begins_a_rollout_on_record(stage: Stage):
    outcome = claim(stage, stage.upload("scaling", "u1", scaling_bundle()))

    assert (outcome["outcome"], outcome["model"], outcome["rollout"]) == ("passed", "scaling", "u1")
    rollout = stage.registry.rollout_records["scaling", "u1"]
    assert (rollout.status, rollout.step, rollout.version) == ("running", "verifying", None)
    assert [(seen.status, seen.step) for seen in stage.announced] == [
        ("running", "claimed"),
        ("running", "verifying"),
    ]


def test_every_file_has_an_address_that_reads_it(stage: Stage):
    outcome = claim(stage, stage.upload("scaling", "u1", scaling_bundle()))

    for path, body in scaling_bundle().items():
        with stage.bucket.open_url(outcome["urls"][path], 0, len(body)) as opened:
            assert opened.read() == body


def test_the_golden_check_runs_beside_the_function_that_will_answer(stage: Stage):
    def named(model: str) -> str:
        event = stage.upload(model, "u1", scaling_bundle(model))
        return str(claim(stage, event)["golden_function"])

    assert named("scaling") == "golden"
    assert named("heavy") == "golden-heavy"


def test_the_same_owner_may_claim_again(stage: Stage):
    event = stage.upload("scaling", "u1", scaling_bundle())

    first, again = claim(stage, event), claim(stage, event)

    assert first == again
    (rollout,) = stage.registry.rollouts("scaling")
    assert rollout.created < rollout.updated


def test_another_owner_is_told_that_it_was_claimed(stage: Stage):
    event = stage.upload("scaling", "u1", scaling_bundle())
    claim(stage, event)

    assert claim(stage, event, "another") == {
        "outcome": "ignored",
        "reasons": ["'incoming/scaling/u1/manifest.json' was claimed before"],
    }


def test_a_claim_whose_rollout_has_ended_is_ignored(stage: Stage):
    event = stage.upload("scaling", "u1", scaling_bundle())
    stage.roll_out(event, "me")

    assert claim(stage, event)["reasons"] == ["rollout u1 is promoted"]


def test_the_event_without_a_version_id_means_the_newest(stage: Stage):
    event = stage.upload("scaling", "u1", scaling_bundle())

    assert claim(stage, ObjectCreated(BUCKET, event.key, None))["outcome"] == "passed"
    assert claim(stage, event, "another")["outcome"] == "ignored"


def test_a_new_manifest_under_the_same_upload_is_a_new_rollout(stage: Stage):
    stage.roll_out(stage.upload("scaling", "u1", scaling_bundle()), "first")

    outcome = claim(stage, stage.upload("scaling", "u1", scaling_bundle(factor=3)), "second")

    assert outcome["outcome"] == "passed"
    assert outcome["rollout"].startswith("u1.")
    assert stage.registry.rollout_records["scaling", "u1"].status == "promoted"


def test_a_new_manifest_is_a_new_rollout_while_the_first_one_runs(stage: Stage):
    claim(stage, stage.upload("scaling", "u1", scaling_bundle()), "first")
    event = stage.upload("scaling", "u1", scaling_bundle(factor=3))

    names = {claim(stage, event, "second")["rollout"] for _ in range(2)}

    assert len(names) == 1
    assert names != {"u1"}


def test_a_bare_artifact_s_rollout_is_named_for_its_claim(stage: Stage):
    stage.roll_out(stage.upload("scaling", "u1", scaling_bundle()))

    first = claim(stage, stage.upload_bare("scaling", GRAPH), "a")["rollout"]
    second = claim(stage, stage.upload_bare("scaling", GRAPH), "b")["rollout"]

    assert first.startswith("model.onnx-")
    assert first != second


def test_a_refusal_names_the_rollout_that_it_ends(stage: Stage):
    outcome = claim(stage, stage.upload("scaling", "u1", scaling_bundle(), b"{"))

    assert (outcome["outcome"], outcome["model"], outcome["rollout"]) == (
        "refused",
        "scaling",
        "u1",
    )
    assert outcome["reasons"][0].startswith("manifest.json is not JSON: ")


@pytest.mark.parametrize(
    "key",
    ["incoming/scaling/u1/deeper/manifest.json", "incoming/Scaling/u1/manifest.json", "x.json"],
)
def test_a_key_of_another_shape_is_ignored_without_a_trace(stage: Stage, key: str):
    assert claim(stage, ObjectCreated(BUCKET, key, None))["outcome"] == "ignored"
    assert stage.crashes.calls == []


def test_an_upload_deleted_before_its_event_is_ignored(stage: Stage):
    gone = ObjectCreated(BUCKET, "incoming/scaling/u1/manifest.json", None)

    assert claim(stage, gone)["reasons"] == [f"{gone.key!r} is no longer there"]
    assert stage.claims.held == {}


def test_what_is_handed_on_fits_the_state_machine(stage: Stage):
    """A state has at most 256 KiB; presigned URLs are long, and packed by the function."""
    files = scaling_bundle()
    files |= {f"weights/{number}": b"w" for number in range(LIMIT_FILES - len(files))}

    outcome = claim(stage, stage.upload("scaling", "u1", files))

    assert outcome["outcome"] == "passed"
    packed = outcome | {"urls": pack(json.dumps(outcome["urls"]))}
    assert len(json.dumps(packed)) < 150_000


def test_of_many_reasons_the_first_ten_are_kept(stage: Stage):
    lacking = {f"weights/{number}": b"" for number in range(30)}
    event = stage.upload("scaling", "u1", lacking)
    for path in lacking:
        del stage.bucket.objects[f"incoming/scaling/u1/{path}"]

    reasons = claim(stage, event)["reasons"]

    assert len(reasons) == 11
    assert reasons[10] == "and 20 more like these"


def test_a_long_reason_is_cut(stage: Stage):
    event = stage.upload(
        "scaling", "u1", {}, edited_manifest("scaling", {"x": b""}, sha256="0" * 9999)
    )

    (reason,) = claim(stage, event)["reasons"]

    assert len(reason) == outcomes.LIMIT_REASON_CHARACTERS
    assert reason.endswith("…")


def test_a_claim_that_dies_after_it_was_taken_is_taken_again_by_its_owner(stage: Stage):
    event = stage.upload("scaling", "u1", scaling_bundle())
    stage.crashes.whenever = "read"
    with pytest.raises(Crash):
        claim(stage, event)
    stage.crashes.whenever = None

    assert claim(stage, event, "another")["outcome"] == "ignored"
    assert claim(stage, event)["outcome"] == "passed"
