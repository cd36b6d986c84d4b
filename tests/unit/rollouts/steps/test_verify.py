"""Verify: an upload is read by its addresses, as far as it has to be, and copied nowhere."""

import io
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

import pytest

from serval.bundles.uploads import Upload
from serval.rollouts.steps import verify as verifying
from tests.fakes.registration import manifest_of, scaling_bundle
from tests.fakes.served import FLEETS, heavy, served, tar
from tests.fakes.stage import Stage


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def verify(stage: Stage, files: Mapping[str, bytes], **changes: Any) -> dict[str, Any]:
    claim = stage.claim.claim(stage.upload("scaling", "u1", files), "me")
    step = replace(stage.verify, **changes)
    return step.verify(Upload.from_json(claim["upload"]), claim["urls"])


def test_what_the_later_steps_need_is_known(stage: Stage):
    files = scaling_bundle()

    verified = verify(stage, files)["verified"]

    assert verified["files"] == [
        {"path": path, "sha256": sha256(body).hexdigest(), "size_bytes": len(body)}
        for path, body in files.items()
    ]
    assert (verified["artifact"], verified["artifact_files"]) == ("model.onnx", ["model.onnx"])
    assert verified["signature"] == {
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 3]}],
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 3]}],
    }
    assert verified["bundle"]["rollout"]["steps_percent"] == [10, 50]
    assert verified["fleet"] is None


def test_the_later_steps_are_told_the_fleet_and_its_accelerator(tmp_path: Path):
    heavily = Stage(tmp_path, fleets=FLEETS)
    claim = heavily.claim.claim(heavily.upload("textgen", "u1", heavy()), "me")

    outcome = heavily.verify.verify(Upload.from_json(claim["upload"]), claim["urls"])

    assert outcome["verified"]["fleet"] == {"name": "gpu", "accelerator": "nvidia"}


def test_only_graphs_take_memory_to_verify(tmp_path: Path):
    small = Stage(tmp_path, verify_mib=201, fleets=FLEETS)
    files = served(tar([("weights.bin", b"w" * 2**21)]))
    claim = small.claim.claim(small.upload("served", "u1", files), "me")

    outcome = small.verify.verify(Upload.from_json(claim["upload"]), claim["urls"])

    assert outcome["outcome"] == "passed"


def test_a_bare_artifact_gets_its_sha256_here(stage: Stage):
    stage.roll_out(stage.upload("scaling", "u1", scaling_bundle()))
    body = scaling_bundle(factor=3)["model.onnx"]
    claim = stage.claim.claim(stage.upload_bare("scaling", body), "b")

    outcome = stage.verify.verify(Upload.from_json(claim["upload"]), claim["urls"])

    found = {file["path"]: file["sha256"] for file in outcome["verified"]["files"]}
    assert found["model.onnx"] == sha256(body).hexdigest()


def test_nothing_is_read_but_the_addresses(stage: Stage):
    event = stage.upload("scaling", "u1", scaling_bundle())
    claim = stage.claim.claim(event, "me")
    stage.crashes.calls.clear()

    stage.verify.verify(Upload.from_json(claim["upload"]), claim["urls"])

    assert set(stage.crashes.calls) == {
        "open incoming/scaling/u1/model.onnx",
        "open incoming/scaling/u1/model.yaml",
    }


def test_nothing_is_written_to_disk(stage: Stage, tmp_path: Path):
    verify(stage, scaling_bundle())
    verify(stage, {"model.onnx": b"no model"})

    assert list(tmp_path.iterdir()) == []


def test_files_that_differ_from_the_manifest_are_all_named(stage: Stage):
    files = scaling_bundle()
    half = {path: body[::-1] for path, body in files.items()}
    event = stage.upload("scaling", "u1", half, manifest_of("scaling", files).encode())
    claim = stage.claim.claim(event, "me")

    outcome = stage.verify.verify(Upload.from_json(claim["upload"]), claim["urls"])

    assert [reason.split(" ")[0] for reason in outcome["reasons"]] == ["model.onnx", "model.yaml"]


class Counted(io.BytesIO):
    """Counts what is read of it."""

    read_bytes = 0

    def read(self, size: int | None = -1) -> bytes:
        found = super().read(size)
        self.read_bytes += len(found)
        return found


def vouched(upload: Upload) -> Upload:
    """Have S3 vouch for every file."""
    files = [replace(f, source=replace(f.source, digest=f.sha256)) for f in upload.files]
    return replace(upload, files=tuple(files))


def test_what_s3_has_checked_is_not_read_for_its_digest(tmp_path: Path):
    heavily = Stage(tmp_path, fleets=FLEETS)
    header = b'{"w": {"dtype": "U8", "shape": [4194304], "data_offsets": [0, 4194304]}}'
    tensors = len(header).to_bytes(8, "little") + header + bytes(2**22)
    files = served(tensors, artifact="model/model.safetensors")
    claim = heavily.claim.claim(heavily.upload("served", "u1", files), "me")
    upload = vouched(Upload.from_json(claim["upload"]))
    opened: list[Counted] = []

    def open_from(url: str, start: int, size_bytes: int) -> IO[bytes]:
        opened.append(Counted(heavily.bucket.open_url(url, start, size_bytes).read()))
        return opened[-1]

    outcome = replace(heavily.verify, open_from=open_from).verify(upload, claim["urls"])

    assert outcome["outcome"] == "passed"
    assert 0 < sum(found.read_bytes for found in opened) < 2**20


def test_more_unchecked_bytes_than_there_is_time_for_are_refused(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(verifying, "LIMIT_READ_BYTES", 100)
    claim = stage.claim.claim(stage.upload("scaling", "u1", scaling_bundle()), "me")
    upload = Upload.from_json(claim["upload"])

    (reason,) = stage.verify.verify(upload, claim["urls"])["reasons"]

    assert "came without a digest that S3 has checked" in reason
    assert "`serval push`" in reason
    assert stage.verify.verify(vouched(upload), claim["urls"])["outcome"] == "passed"


def test_an_upload_that_its_checks_have_no_memory_for_is_not_read(stage: Stage):
    stage.crashes.calls.clear()

    (reason,) = verify(stage, scaling_bundle(), memory_mib=128)["reasons"]

    assert "run `serval deploy -c verification_memory_mib=201`" in reason
    assert not any(call.startswith("open") for call in stage.crashes.calls)


def test_no_deploy_is_asked_for_that_lambda_cannot_give(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(verifying, "RUNTIME_MIB", 20_000)

    (reason,) = verify(stage, scaling_bundle())["reasons"]

    assert reason.endswith("Lambda ends at 10240 MiB, so quantise the model")


def test_what_is_handed_on_fits_the_state_machine(stage: Stage, monkeypatch: pytest.MonkeyPatch):
    """A state has at most 256 KiB, of which paths and tensors of strangers take their share."""
    monkeypatch.setattr(verifying, "LIMIT_BYTES", 500)

    (reason,) = verify(stage, scaling_bundle())["reasons"]

    assert reason.startswith(
        "a rollout hands on the names of 2 files, 1 inputs and 1 outputs, and "
    )


@pytest.mark.parametrize("files", [scaling_bundle(), served(tar([("weights.bin", b"w")]))])
def test_a_file_that_cannot_be_read_is_no_verdict(tmp_path: Path, files: Mapping[str, bytes]):
    """Whatever a parser makes of the failure, as tarfile does."""
    heavily = Stage(tmp_path, fleets=FLEETS)
    model = "scaling" if "model.onnx" in files else "served"
    claim = heavily.claim.claim(heavily.upload(model, "u1", files), "me")

    def open_from(url: str, start: int, size_bytes: int) -> IO[bytes]:
        if "model.yaml" in url:
            return heavily.bucket.open_url(url, start, size_bytes)
        raise PermissionError("HTTP Error 403: Forbidden")

    with pytest.raises(PermissionError):
        replace(heavily.verify, open_from=open_from).verify(
            vouched(Upload.from_json(claim["upload"])), claim["urls"]
        )
