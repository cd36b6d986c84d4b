"""``serval batch download``: what a job has left, whole or not at all."""

import json
from pathlib import Path
from typing import Any

import pytest

from serval.client.download import DOWNLOAD_TRIES
from tests.fakes.batch_api import DATA_BUCKET
from tests.fakes.batch_stage import BatchStage

OUTPUT = b"".join(b"%d,%d\n" % (row, row * row) for row in range(50))


@pytest.fixture
def user(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> BatchStage:
    """Yield a user whose job has ended."""
    user = BatchStage(monkeypatch, capsys)
    job = user.bench.ended()
    summary = {"job": job.id, "output": f"{job.output}output.csv", "errors": None}
    user.bench.objects.upload(f"{job.output}summary.json", json.dumps(summary).encode())
    user.bench.objects.upload(f"{job.output}output.csv", OUTPUT)
    assert job.output.startswith(f"s3://{DATA_BUCKET}/")
    return user


def download(user: BatchStage, folder: Path) -> Any:
    return user.serval("batch", "download", "j1", "--to", str(folder), "--json").value


def test_everything_that_a_job_left_is_downloaded(user: BatchStage, tmp_path: Path) -> None:
    value = download(user, tmp_path / "here")
    assert [file["name"] for file in value["files"]] == ["summary.json", "output.csv"]
    assert (tmp_path / "here" / "output.csv").read_bytes() == OUTPUT
    assert value["files"][1] == {
        "name": "output.csv",
        "path": str(tmp_path / "here" / "output.csv"),
        "size_bytes": len(OUTPUT),
    }


def test_a_connection_that_is_cut_off_is_gone_on_with(user: BatchStage, tmp_path: Path) -> None:
    user.cut_off_after = [10_000, 100, 0, 50]
    download(user, tmp_path)
    assert (tmp_path / "output.csv").read_bytes() == OUTPUT
    assert ("output.csv", "bytes=100-") in user.fetched


def test_the_same_command_goes_on_where_the_last_one_was_cut_off(
    user: BatchStage, tmp_path: Path
) -> None:
    user.cut_off_after = [10_000, 100, *[0] * (2 * DOWNLOAD_TRIES)]
    ended = user.serval("batch", "download", "j1", "--to", str(tmp_path))
    assert ended.code == 1
    assert "error: output.csv: the connection was cut off" in ended.err
    assert not (tmp_path / "output.csv").exists()
    user.cut_off_after, user.fetched = [], []

    download(user, tmp_path)

    assert (tmp_path / "output.csv").read_bytes() == OUTPUT
    assert ("output.csv", "bytes=100-") in user.fetched
    assert sorted(file.name for file in tmp_path.iterdir()) == ["output.csv", "summary.json"]


def test_what_has_come_of_another_file_is_not_gone_on_with(
    user: BatchStage, tmp_path: Path
) -> None:
    user.cut_off_after = [10_000, 100, *[0] * (2 * DOWNLOAD_TRIES)]
    assert user.serval("batch", "download", "j1", "--to", str(tmp_path)).code == 1
    user.cut_off_after = []
    job = user.bench.row
    user.bench.objects.upload(f"{job.output}output.csv", OUTPUT[::-1])
    download(user, tmp_path)
    assert (tmp_path / "output.csv").read_bytes() == OUTPUT[::-1]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["output.csv", "summary.json"]


def test_a_job_that_goes_on_has_nothing_to_download(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    user = BatchStage(monkeypatch, capsys)
    user.bench.running()
    failure = user.serval("batch", "download", "j1").failure
    assert "job j1 is running: `serval batch watch` follows it" in failure


def test_a_job_that_left_nothing_is_said(user: BatchStage, tmp_path: Path) -> None:
    user.bench.objects.buckets.clear()
    failure = user.serval("batch", "download", "j1", "--to", str(tmp_path)).failure
    assert "left nothing that this key may read" in failure


def test_no_file_is_written_outside_of_the_folder(user: BatchStage, tmp_path: Path) -> None:
    job = user.bench.row
    summary = {"job": job.id, "output": f"{job.output}../../etc/output.csv", "errors": None}
    user.bench.objects.upload(f"{job.output}summary.json", json.dumps(summary).encode())
    ended = user.serval("batch", "download", "j1", "--to", str(tmp_path / "x"))
    assert ended.code == 1
    assert "does not name a file below" in ended.err
