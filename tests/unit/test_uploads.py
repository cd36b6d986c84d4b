"""Gathering uploads: what is missing or changed is named before anything is downloaded."""

import shutil
from pathlib import Path

import pytest

from serval.errors import BundleRefused
from serval.manifest import LIMIT_FILE_BYTES, LIMIT_MANIFEST_BYTES
from serval.storage import Incoming
from serval.uploads import StoredObject, Uploads
from tests.fakes.registration import Stage, edited_manifest, manifest_of, scaling_bundle

INCOMING = Incoming("scaling", "u1")


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


@pytest.fixture
def uploads(stage: Stage) -> Uploads:
    return stage.registration.uploads


def announced(stage: Stage, manifest: bytes | None = None) -> StoredObject:
    event = stage.upload("scaling", "u1", scaling_bundle(), manifest)
    found = stage.bucket.find(event.key, event.version_id)
    assert found is not None
    return found


def reasons(uploads: Uploads, found: StoredObject, folder: Path) -> tuple[str, ...]:
    with pytest.raises(BundleRefused) as refused:
        uploads.gather(INCOMING, found, folder)
    return refused.value.reasons


def test_every_file_is_brought_with_its_source(stage: Stage, uploads: Uploads, tmp_path: Path):
    upload = uploads.gather(INCOMING, announced(stage), tmp_path)

    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == scaling_bundle()
    assert upload.sources["model.onnx"].key == "incoming/scaling/u1/model.onnx"
    assert upload.sources.keys() == upload.manifest.paths


def test_the_manifest_is_read_as_it_was_when_announced(
    stage: Stage, uploads: Uploads, tmp_path: Path
):
    found = announced(stage)
    stage.upload("scaling", "u1", {}, b"changed since")

    assert uploads.gather(INCOMING, found, tmp_path).manifest.model == "scaling"


def test_a_file_that_was_not_uploaded_is_named(stage: Stage, uploads: Uploads, tmp_path: Path):
    more = scaling_bundle() | {"weights.bin": b"w", "more.bin": b"m"}
    found = announced(stage, manifest_of("scaling", more).encode())

    assert reasons(uploads, found, tmp_path) == (
        "weights.bin is named by manifest.json, but was not uploaded",
        "more.bin is named by manifest.json, but was not uploaded",
    )
    assert list(tmp_path.iterdir()) == []


def test_a_half_uploaded_file_is_named(stage: Stage, uploads: Uploads, tmp_path: Path):
    wrong = edited_manifest("scaling", scaling_bundle(), size_bytes=9)

    (found,) = reasons(uploads, announced(stage, wrong), tmp_path)
    size = len(scaling_bundle()["model.onnx"])
    assert found == (
        f"model.onnx has {size} bytes, manifest.json says 9: "
        "upload it again, and manifest.json last"
    )


def test_a_manifest_past_its_limit_is_not_read(stage: Stage, uploads: Uploads, tmp_path: Path):
    found = announced(stage, b" " * (LIMIT_MANIFEST_BYTES + 1))
    stage.crashes.calls.clear()

    (reason,) = reasons(uploads, found, tmp_path)
    assert reason.startswith(f"manifest.json: {LIMIT_MANIFEST_BYTES + 1} bytes, at most")
    assert stage.crashes.calls == []


def test_a_bare_artifact_past_its_limit_is_not_downloaded(uploads: Uploads, tmp_path: Path):
    huge = StoredObject("incoming/scaling/model.onnx", "v1", LIMIT_FILE_BYTES + 1)

    with pytest.raises(BundleRefused, match=r"^model\.onnx: "):
        uploads.gather(Incoming("scaling", None), huge, tmp_path)


def test_an_upload_without_room_is_refused(
    stage: Stage, uploads: Uploads, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    found = announced(stage)
    full = shutil.disk_usage(tmp_path)._replace(free=10)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)

    (reason,) = reasons(uploads, found, tmp_path)
    assert "`register` has room for 10: give it more ephemeral storage" in reason
    assert list(tmp_path.iterdir()) == []
