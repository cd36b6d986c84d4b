"""Registration from an event to its verdict, over a stage in memory."""

from pathlib import Path

import pytest

from serval.object_created import ObjectCreated
from serval.routes import Route
from tests.fakes.registration import BUCKET, Crash, Stage, scaling_bundle


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def test_an_upload_becomes_the_stable_version(stage: Stage):
    outcome = stage.registration.register(stage.upload("scaling", "u1", scaling_bundle()), "me")

    assert (outcome.status, outcome.version) == ("promoted", "1")
    assert stage.registry.routes == {"scaling": Route("1", rollout="u1", revision=1)}
    version = stage.registry.version("scaling", "1")
    assert version.signature.to_json() == {
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 3]}],
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 3]}],
    }
    assert version.bundle["rollout"]["steps_percent"] == [10, 50]
    assert stage.published() == {
        f"models/scaling/1/{path}": body for path, body in scaling_bundle().items()
    }
    (rollout,) = stage.registry.rollouts("scaling")
    assert (rollout.status, rollout.version, rollout.reason) == (
        "promoted",
        "1",
        "version 1 takes all traffic",
    )
    assert rollout.created < rollout.updated


def test_other_bytes_become_the_next_version_and_take_over(stage: Stage):
    stage.registration.register(stage.upload("scaling", "u1", scaling_bundle()), "a")
    stage.registration.register(stage.upload("scaling", "u2", scaling_bundle(factor=3)), "b")

    assert stage.registry.routes["scaling"] == Route("2", rollout="u2", revision=2)
    assert [version.version for version in stage.registry.versions("scaling")] == ["1", "2"]


def test_a_repeated_event_does_nothing(stage: Stage):
    event = stage.upload("scaling", "u1", scaling_bundle())
    stage.registration.register(event, "first")
    before = (dict(stage.registry.routes), dict(stage.registry.rollout_records))

    assert stage.registration.register(event, "second").status == "ignored"
    assert stage.registration.register(event, "first").status == "ignored"
    assert (stage.registry.routes, stage.registry.rollout_records) == before


def test_the_same_bytes_make_no_second_version(stage: Stage):
    stage.registration.register(stage.upload("scaling", "u1", scaling_bundle()), "a")
    outcome = stage.registration.register(stage.upload("scaling", "u2", scaling_bundle()), "b")

    assert (outcome.status, outcome.version) == ("promoted", "1")
    assert outcome.reason == "version 1 takes all traffic; it already did"
    assert list(stage.registry.records) == [("scaling", "1")]


def test_old_bytes_published_again_bring_the_old_version_back(stage: Stage):
    for upload, factor in [("u1", 2), ("u2", 3), ("u3", 2)]:
        event = stage.upload("scaling", upload, scaling_bundle(factor=factor))
        stage.registration.register(event, upload)

    assert stage.registry.routes["scaling"] == Route("1", rollout="u3", revision=3)


def test_a_new_manifest_under_the_same_upload_is_a_new_registration(stage: Stage):
    stage.registration.register(stage.upload("scaling", "u1", scaling_bundle()), "a")
    event = stage.upload("scaling", "u1", scaling_bundle(factor=3))

    assert stage.registration.register(event, "b").version == "2"
    first, second = stage.registry.rollouts("scaling")
    assert (first.rollout, first.version) == ("u1", "1")
    assert (second.rollout.split(".")[0], second.version) == ("u1", "2")


def test_the_event_without_a_version_id_means_the_newest(stage: Stage):
    event = stage.upload("scaling", "u1", scaling_bundle())
    local = ObjectCreated(BUCKET, event.key, None)

    assert stage.registration.register(local, "a").version == "1"
    assert stage.registration.register(event, "b").status == "ignored"


def test_a_bare_artifact_inherits_the_rest_from_the_stable_version(stage: Stage):
    first = {
        "graphs/net.onnx": scaling_bundle()["model.onnx"],
        "model.yaml": b"name: scaling\nartifact: graphs/net.onnx\ngolden: golden.jsonl\n",
        "golden.jsonl": b"{}\n",
    }
    stage.registration.register(stage.upload("scaling", "u1", first), "a")
    newer = scaling_bundle(factor=3)["model.onnx"]

    outcome = stage.registration.register(stage.upload_bare("scaling", newer), "b")

    assert (outcome.status, outcome.version) == ("promoted", "2")
    published = stage.published()
    assert published["models/scaling/2/graphs/net.onnx"] == newer
    assert published["models/scaling/2/golden.jsonl"] == b"{}\n"
    assert stage.registry.version("scaling", "2").bundle["artifact"] == "graphs/net.onnx"


def test_a_bare_artifact_without_a_stable_version_is_refused_on_record(stage: Stage):
    event = stage.upload_bare("scaling", scaling_bundle()["model.onnx"])

    assert stage.registration.register(event, "a").status == "refused"
    (rollout,) = stage.registry.rollouts("scaling")
    assert rollout.rollout.startswith("model.onnx-")
    assert "no stable version to inherit model.yaml from" in rollout.reason
    assert "`serval push BUNDLE`" in rollout.reason
    assert stage.registry.models() == []


@pytest.mark.parametrize(
    "key",
    ["incoming/scaling/u1/deeper/manifest.json", "incoming/Scaling/u1/manifest.json", "x.json"],
)
def test_a_key_of_another_shape_is_ignored_without_a_trace(stage: Stage, key: str):
    assert stage.registration.register(ObjectCreated(BUCKET, key, None), "a").status == "ignored"
    assert stage.crashes.calls == []


def test_an_upload_deleted_before_its_event_is_ignored(stage: Stage):
    gone = ObjectCreated(BUCKET, "incoming/scaling/u1/manifest.json", None)

    assert stage.registration.register(gone, "a").status == "ignored"


def test_a_refused_upload_leaves_the_stable_version_alone(stage: Stage):
    stage.registration.register(stage.upload("scaling", "u1", scaling_bundle()), "a")
    before = (stage.published(), dict(stage.registry.routes), dict(stage.registry.digests))
    bad = scaling_bundle() | {"model.onnx": b"not a model"}

    outcome = stage.registration.register(stage.upload("scaling", "u2", bad), "b")

    assert outcome.status == "refused"
    assert outcome.reason.startswith("model.onnx is not an ONNX model: ")
    assert (stage.published(), stage.registry.routes, stage.registry.digests) == before
    assert stage.registry.rollout_records["scaling", "u2"].status == "refused"


def test_a_route_changed_by_another_writer_meanwhile_is_read_again(stage: Stage):
    stage.registry.rival = Route("9", rollout="rival", revision=4)

    stage.registration.register(stage.upload("scaling", "u1", scaling_bundle()), "a")

    assert stage.registry.routes["scaling"] == Route("1", rollout="u1", revision=5)


def test_a_rollout_that_started_later_keeps_the_traffic(stage: Stage):
    older = stage.upload("scaling", "older", scaling_bundle())
    stage.crashes.at = 6
    with pytest.raises(Crash):
        stage.registration.register(older, "a")
    stage.crashes.at = None
    newer = stage.upload("scaling", "newer", scaling_bundle(factor=3))
    stage.registration.register(newer, "b")

    outcome = stage.registration.register(older, "a")

    assert outcome.status == "superseded"
    assert outcome.reason.endswith("but rollout newer started later and has the traffic")
    assert stage.registry.routes["scaling"].rollout == "newer"
    assert len(stage.registry.versions("scaling")) == 2


def test_a_verdict_once_recorded_stands_when_the_claim_was_not_finished(stage: Stage):
    older = stage.upload("scaling", "older", scaling_bundle())
    stage.registration.register(older, "a")
    stage.claims.finished.clear()
    newer = stage.upload("scaling", "newer", scaling_bundle(factor=3))
    stage.registration.register(newer, "b")

    assert stage.registration.register(older, "a").status == "promoted"
    assert stage.registry.routes["scaling"].rollout == "newer"


def test_uploads_are_gathered_in_a_folder_that_is_removed(stage: Stage, tmp_path: Path):
    stage.registration.register(stage.upload("scaling", "u1", scaling_bundle()), "a")

    assert list(tmp_path.iterdir()) == []
