"""Collecting uploads: what is missing or changed is named before anything is downloaded."""

import json
from pathlib import Path

import pytest

from serval.bundles.manifest import LIMIT_BUNDLE_BYTES, LIMIT_MANIFEST_BYTES
from serval.bundles.uploads import StoredObject, Upload, Uploads
from serval.errors import BundleRefused
from serval.models.storage import Incoming
from tests.fakes.registration import edited_manifest, manifest_of, scaling_bundle
from tests.fakes.stage import Stage

INCOMING = Incoming("scaling", "u1")
BARE = Incoming("scaling", None)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


@pytest.fixture
def uploads(stage: Stage) -> Uploads:
    return stage.claim.uploads


def announced(stage: Stage, manifest: bytes | None = None) -> StoredObject:
    event = stage.upload("scaling", "u1", scaling_bundle(), manifest)
    found = stage.bucket.find(event.key, event.version_id)
    assert found is not None
    return found


def reasons(uploads: Uploads, found: StoredObject) -> tuple[str, ...]:
    with pytest.raises(BundleRefused) as refused:
        uploads.collect(INCOMING, found)
    return refused.value.reasons


def test_every_file_is_found_and_nothing_is_downloaded(stage: Stage, uploads: Uploads):
    found = announced(stage)
    stage.crashes.calls.clear()

    files = uploads.collect(INCOMING, found)

    assert {file.path: stage.bucket.body(file.source) for file in files} == scaling_bundle()
    assert files[0].source.key == "incoming/scaling/u1/model.onnx"
    assert stage.crashes.calls == [
        "read incoming/scaling/u1/manifest.json",
        "find incoming/scaling/u1/model.onnx",
        "find incoming/scaling/u1/model.yaml",
    ]


def test_files_are_pinned_to_the_version_that_was_found(stage: Stage, uploads: Uploads):
    files = uploads.collect(INCOMING, announced(stage))
    stage.bucket.put("incoming/scaling/u1/model.onnx", b"changed since")

    assert stage.bucket.body(files[0].source) == scaling_bundle()["model.onnx"]


def test_the_manifest_is_read_as_it_was_when_announced(stage: Stage, uploads: Uploads):
    found = announced(stage)
    stage.upload("scaling", "u1", {}, b"changed since")

    assert [file.path for file in uploads.collect(INCOMING, found)] == ["model.onnx", "model.yaml"]


def test_an_upload_reads_back_as_the_steps_hand_it_on(stage: Stage, uploads: Uploads):
    upload = Upload("scaling", "u1", uploads.collect(INCOMING, announced(stage)))

    assert Upload.from_json(json.loads(json.dumps(upload.to_json()))) == upload


def test_every_file_that_was_not_uploaded_is_named(stage: Stage, uploads: Uploads):
    more = scaling_bundle() | {"weights.bin": b"w", "more.bin": b"m"}
    found = announced(stage, manifest_of("scaling", more).encode())

    assert reasons(uploads, found) == (
        "weights.bin is named by manifest.json, but was not uploaded: upload it, and "
        "manifest.json last",
        "more.bin is named by manifest.json, but was not uploaded: upload it, and "
        "manifest.json last",
    )


def test_a_half_uploaded_file_is_named(stage: Stage, uploads: Uploads):
    wrong = edited_manifest("scaling", scaling_bundle(), size_bytes=9)

    (found,) = reasons(uploads, announced(stage, wrong))
    size = len(scaling_bundle()["model.onnx"])
    assert found == (
        f"model.onnx has {size} bytes, manifest.json says 9: "
        "upload it again, and manifest.json last"
    )


def test_a_manifest_past_its_limit_is_not_read(stage: Stage, uploads: Uploads):
    found = announced(stage, b" " * (LIMIT_MANIFEST_BYTES + 1))
    stage.crashes.calls.clear()

    (reason,) = reasons(uploads, found)
    assert reason.startswith(f"manifest.json: {LIMIT_MANIFEST_BYTES + 1} bytes, at most")
    assert stage.crashes.calls == []


def test_a_bare_artifact_past_its_limit_is_refused(uploads: Uploads):
    huge = StoredObject("incoming/scaling/model.onnx", "v1", LIMIT_BUNDLE_BYTES + 1)

    with pytest.raises(BundleRefused, match=r"^model\.onnx: "):
        uploads.collect(BARE, huge)


def test_a_bare_artifact_inherits_everything_but_the_artifact(stage: Stage, uploads: Uploads):
    first = {
        "graphs/net.onnx": scaling_bundle()["model.onnx"],
        "model.yaml": b"name: scaling\nartifact: graphs/net.onnx\n",
        "README.md": b"about\n",
    }
    stage.roll_out(stage.upload("scaling", "u1", first))
    bare = StoredObject("incoming/scaling/model.onnx", "v1", 100)

    found = {file.path: (file.source.key, file.sha256) for file in uploads.collect(BARE, bare)}

    assert found["graphs/net.onnx"] == ("incoming/scaling/model.onnx", None)
    assert found["model.yaml"][0] == "models/scaling/1/model.yaml"
    assert found["README.md"][0] == "models/scaling/1/README.md"


def test_a_version_that_lost_its_files_passes_nothing_on(stage: Stage, uploads: Uploads):
    stage.roll_out(stage.upload("scaling", "u1", scaling_bundle()))
    del stage.bucket.objects["models/scaling/1/model.yaml"]

    with pytest.raises(BundleRefused, match=r"^version 1, .* lost files: publish the whole bundle"):
        uploads.collect(BARE, StoredObject("incoming/scaling/model.onnx", "v1", 100))
