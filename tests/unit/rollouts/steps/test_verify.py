"""Verify: an upload is read by its addresses, and checked in a folder that goes away."""

import shutil
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from serval.bundles.uploads import Upload
from serval.rollouts.steps import verify as verifying
from tests.fakes.registration import scaling_bundle
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

    assert stage.crashes.calls == [
        "download incoming/scaling/u1/model.onnx",
        "download incoming/scaling/u1/model.yaml",
    ]


def test_the_folder_is_gone_afterwards(stage: Stage, tmp_path: Path):
    verify(stage, scaling_bundle())
    verify(stage, {"model.onnx": b"no model"})

    assert list(tmp_path.iterdir()) == []


def test_an_upload_that_its_checks_have_no_memory_for_is_not_downloaded(stage: Stage):
    stage.crashes.calls.clear()

    (reason,) = verify(stage, scaling_bundle(), memory_mib=128)["reasons"]

    assert "run `serval deploy -c verification_memory_mib=201`" in reason
    assert not any(call.startswith("download") for call in stage.crashes.calls)


def test_no_deploy_is_asked_for_that_lambda_cannot_give(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(verifying, "RUNTIME_MIB", 20_000)

    (reason,) = verify(stage, scaling_bundle())["reasons"]

    assert reason.endswith("Lambda ends at 10240 MiB, so quantise the model")


def test_an_upload_without_room_is_refused(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    full = shutil.disk_usage(tmp_path)._replace(free=10)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)

    (reason,) = verify(stage, scaling_bundle())["reasons"]

    assert "`verify` has room for 10" in reason
    assert "more ephemeral storage" in reason


def test_what_is_handed_on_fits_the_state_machine(stage: Stage, monkeypatch: pytest.MonkeyPatch):
    """A state has at most 256 KiB, of which paths and tensors of strangers take their share."""
    monkeypatch.setattr(verifying, "LIMIT_BYTES", 500)

    (reason,) = verify(stage, scaling_bundle())["reasons"]

    assert reason.startswith(
        "a rollout hands on the names of 2 files, 1 inputs and 1 outputs, and "
    )


def test_a_file_that_cannot_be_read_is_no_verdict(stage: Stage):
    def forbidden(url: str, target: Path, size_bytes: int) -> None:
        raise PermissionError("HTTP Error 403: Forbidden")

    with pytest.raises(PermissionError):
        verify(stage, scaling_bundle(), download=forbidden)
