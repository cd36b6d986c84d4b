"""Register: what the steps before have checked becomes a version with a share of the traffic."""

from pathlib import Path
from typing import Any

import pytest

from serval.bundles.uploads import Upload
from serval.models.route import Route
from serval.models.storage import record_key
from serval.models.version import BundleFile, ModelVersion
from serval.rollouts.documents import GoldenReport
from serval.rollouts.steps.register import StagedFormMissing
from tests.fakes.registration import scaling_bundle
from tests.fakes.served import FLEETS, heavy, served
from tests.fakes.stage import Stage

FORM = {
    "name": "portable",
    "cpu_class": None,
    "artifact": "optimised/portable/model.onnx",
    "files": [{"path": "optimised/portable/model.onnx", "sha256": "f" * 64, "size_bytes": 4}],
}
REPORT = GoldenReport(largest_difference=1e-7, p50_ms=0.25).to_json()
AT_ONCE = b"rollout: {steps_percent: []}\n"


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def checked(stage: Stage, upload: str, files: dict[str, bytes]) -> dict[str, Any]:
    """Return the step's input after the steps before it: one form, and a report."""
    claim = stage.claim.claim(stage.upload("scaling", upload, files), upload)
    whole = Upload.from_json(claim["upload"])
    stage.bucket.put(f"staging/scaling/{upload}/optimised/portable/model.onnx", b"form")
    return {
        "upload": claim["upload"],
        "verified": stage.verify.verify(whole, claim["urls"])["verified"],
        "optimised": {"outcome": "passed", "forms": [FORM], "notes": ["one form"]},
        "golden": REPORT,
    }


def test_a_version_has_its_files_its_forms_and_what_was_measured(stage: Stage):
    outcome = stage.register.register(checked(stage, "u1", scaling_bundle()))

    assert outcome == {"outcome": "passed", "status": "promoted", "wait_seconds": 2}
    moved = "optimised/u1/portable/model.onnx"
    assert stage.published() == {
        **{f"models/scaling/1/{path}": body for path, body in scaling_bundle().items()},
        f"models/scaling/1/{moved}": b"form",
    }
    version = stage.registry.version("scaling", "1")
    assert version.forms[0].artifact == moved
    assert version.forms[0].files == (BundleFile(moved, "f" * 64, 4),)
    assert version.measurements == REPORT
    assert version.bundle["name"] == "scaling"
    assert stage.registry.routes["scaling"] == Route("1", rollout="u1", revision=1)


def test_a_version_can_be_loaded_by_who_reads_nothing_but_artifacts(stage: Stage):
    stage.register.register(checked(stage, "u1", scaling_bundle()))

    [record] = stage.bucket.objects[record_key("scaling", "1")]
    assert ModelVersion.from_json(record.decode()) == stage.registry.version("scaling", "1")


def test_the_rollout_keeps_what_the_steps_found_out(stage: Stage):
    stage.register.register(checked(stage, "u1", scaling_bundle()))

    rollout = stage.registry.rollout_records["scaling", "u1"]
    assert rollout.details == {"golden": REPORT, "notes": ["one form"]}
    assert (rollout.status, rollout.version, rollout.reason) == (
        "promoted",
        "1",
        "version 1 takes all traffic",
    )


def test_the_next_version_begins_with_the_first_step_of_its_bundle(stage: Stage):
    stage.register.register(checked(stage, "u1", scaling_bundle()))
    steps = b"name: scaling\nrollout: {steps_percent: [25]}\n"
    files = scaling_bundle(factor=3) | {"model.yaml": steps}

    outcome = stage.register.register(checked(stage, "u2", files))

    assert outcome["status"] == "running"
    assert stage.registry.routes["scaling"] == Route("1", "2", 25, "u2", revision=2)


def test_a_bundle_without_steps_takes_over_at_once(stage: Stage):
    stage.register.register(checked(stage, "u1", scaling_bundle()))
    files = scaling_bundle(factor=3)
    files["model.yaml"] += AT_ONCE

    assert stage.register.register(checked(stage, "u2", files))["status"] == "promoted"
    assert stage.registry.routes["scaling"].stable == "2"


def test_registering_again_changes_nothing(stage: Stage):
    given = checked(stage, "u1", scaling_bundle())
    stage.register.register(given)
    before = (stage.published(), dict(stage.registry.records), dict(stage.registry.routes))

    outcome = stage.register.register(given)

    assert outcome == {"outcome": "passed", "status": "promoted", "wait_seconds": 0}
    assert (stage.published(), stage.registry.records, stage.registry.routes) == before


def test_the_same_bytes_are_the_same_version(stage: Stage):
    stage.register.register(checked(stage, "u1", scaling_bundle()))

    outcome = stage.register.register(checked(stage, "u2", scaling_bundle()))

    assert outcome["status"] == "promoted"
    assert [version.version for version in stage.registry.versions("scaling")] == ["1"]
    assert stage.registry.version("scaling", "1").forms[0].artifact.startswith("optimised/u1/")
    assert not any("optimised/u2" in key for key in stage.published())


def test_forms_of_a_rollout_that_died_are_left_alone(stage: Stage):
    """The optimiser's bytes may differ from run to run."""
    given = checked(stage, "u1", scaling_bundle())
    stage.bucket.put("models/scaling/1/optimised/u0/portable/model.onnx", b"of a dead rollout")

    assert stage.register.register(given)["status"] == "promoted"


@pytest.mark.parametrize("allowed", [False, True])
def test_another_signature_is_refused_unless_that_is_meant(stage: Stage, allowed: bool):
    stage.register.register(checked(stage, "u1", scaling_bundle()))
    given = checked(stage, "u2", scaling_bundle(factor=3))
    given["verified"]["signature"]["outputs"][0]["datatype"] = "FP64"
    given["verified"]["bundle"]["rollout"]["allow_signature_change"] = allowed

    outcome = stage.register.register(given)

    assert outcome["outcome"] == ("passed" if allowed else "refused")
    if not allowed:
        assert outcome["reasons"][0] == "output 'y': datatype FP32 became FP64"
        assert "'rollout: {allow_signature_change: true}'" in outcome["reasons"][1]
        assert len(stage.registry.digests) == 1


def test_a_rollout_that_ended_meanwhile_is_not_registered(stage: Stage):
    given = checked(stage, "u1", scaling_bundle())
    rollout = stage.registry.rollout_records["scaling", "u1"]
    stage.control.refuse(rollout, "a person changed their mind")

    outcome = stage.register.register(given)

    assert (outcome["status"], outcome["wait_seconds"]) == ("refused", 0)
    assert stage.published() == {}
    assert stage.registry.routes == {}


def test_a_route_changed_by_another_writer_meanwhile_is_read_again(stage: Stage):
    given = checked(stage, "u1", scaling_bundle())
    stage.registry.rival = Route("9", rollout="rival", revision=4)

    assert stage.register.register(given)["status"] == "running"
    assert stage.registry.routes["scaling"] == Route("9", "1", 10, "u1", revision=5)


def test_a_form_that_is_gone_from_staging_fails_the_step(stage: Stage):
    given = checked(stage, "u1", scaling_bundle())
    stage.bucket.objects = {
        key: body for key, body in stage.bucket.objects.items() if not key.startswith("staging/")
    }

    with pytest.raises(StagedFormMissing, match=r"^staging/scaling/u1/optimised/.* is gone$"):
        stage.register.register(given)
    assert stage.registry.records == {}


def test_a_rollout_that_was_never_recorded_is_not_registered(stage: Stage):
    given = checked(stage, "u1", scaling_bundle())
    given["upload"]["rollout"] = "unknown"

    assert stage.register.register(given)["status"] == "refused"
    assert stage.registry.records == {}


@pytest.mark.parametrize(
    ("model", "files", "runtime"), [("textgen", heavy(), "onnx"), ("served", served(), "http")]
)
def test_a_version_knows_its_runtime(
    tmp_path: Path, model: str, files: dict[str, bytes], runtime: str
):
    heavily = Stage(tmp_path, fleets=FLEETS)

    assert heavily.roll_out(heavily.upload(model, "u1", files)).status == "promoted"

    assert heavily.registry.version(model, "1").runtime == runtime
