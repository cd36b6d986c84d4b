"""serval_cli/bundle/upload.py: a bundle's files to ``incoming/``, the manifest last, resumed."""

import json
import os
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import ClientError

from serval.aws.s3.artifacts import S3Artifacts
from serval.bundles.manifest import Manifest
from serval.models import digests
from serval.models.storage import UPLOAD_ID
from serval_cli.bundle.checksums import HashedFile, hash_files, manifest_of
from serval_cli.bundle.incoming import IncomingBucket
from serval_cli.bundle.upload import Bucket, BundleUpload, UploadStopped, new_upload_id
from serval_cli.failures import CommandFailed
from tests.fakes.s3_server import BUCKET, S3Server, s3_server

pytestmark = pytest.mark.slow
PART = 2**16
WEIGHTS = os.urandom(9 * PART + 5)


@pytest.fixture(scope="module")
def running() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


@pytest.fixture
def server(running: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    monkeypatch.setattr(digests, "PART_BYTES", PART)
    running.empty(tmp_path / "s3")
    return running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    (bundle / "model.yaml").write_text("name: llm\n")
    (bundle / "empty").write_text("")
    (bundle / "z.weights").write_bytes(WEIGHTS)
    return bundle


class Push:
    """A ``serval push`` of the bundle."""

    def __init__(self, server: S3Server, folder: Path) -> None:
        self.files: list[HashedFile] = hash_files(
            folder, {p.name: p.stat().st_size for p in folder.iterdir()}, lambda _: None
        )
        self.manifest: Manifest = manifest_of("llm", self.files)
        self.counted: list[int] = []
        bucket = IncomingBucket(server.client, BUCKET)
        self.upload = BundleUpload(folder, bucket, self.counted.append)

    def send(self) -> str:
        return self.upload.send(self.manifest, self.files)


def calls(server: S3Server, method: str) -> list[str]:
    return [call for call in server.disk.requests if call.startswith(method)]


def fail_after(parts: int) -> Callable[[str], None]:
    """Cut every connection once so many parts were sent."""
    sent: list[str] = []

    def before(call: str) -> None:
        if call.startswith("PUT"):
            sent.append(call)
            if len(sent) > parts:
                raise ConnectionAbortedError

    return before


def test_files_arrive_with_digests_that_s3_has_checked_and_the_manifest_goes_last(
    server: S3Server, folder: Path
) -> None:
    push = Push(server, folder)

    upload = push.send()

    prefix = f"incoming/llm/{upload}/"
    assert calls(server, "PUT")[-1] == f"PUT {prefix}manifest.json"
    artifacts = S3Artifacts(server.client, BUCKET)
    for file in push.manifest.files:
        found = artifacts.find(prefix + file.path)
        assert found is not None
        assert (found.digest, found.size_bytes) == (file.sha256, file.size_bytes)
        assert artifacts.read(found) == (folder / file.path).read_bytes()
    listed: Any = artifacts.find(f"{prefix}manifest.json")
    assert json.loads(artifacts.read(listed))["model"] == "llm"
    assert {f.path: f.sha256[64:] for f in push.manifest.files}["z.weights"] == "-10"
    assert sum(push.counted) == len(WEIGHTS) + 10


def test_an_upload_that_broke_off_is_continued_by_a_new_push(
    server: S3Server, folder: Path
) -> None:
    server.disk.before = fail_after(5)
    with pytest.raises(Exception, match="Connection"):
        Push(server, folder).send()
    (begun,) = server.disk.uploads.values()
    there = len(begun.parts)
    assert 0 < there < 10
    server.disk.before = lambda _: None
    server.disk.requests.clear()
    push = Push(server, folder)

    upload = push.send()

    assert begun.key == f"incoming/llm/{upload}/z.weights"
    # A part that a busy machine is slow to take may be sent twice.
    assert 10 - there <= len([call for call in calls(server, "PUT") if "?part" in call]) < 10
    assert server.disk.uploads == {}
    assert sum(push.counted) == len(WEIGHTS) + 10
    found: Any = S3Artifacts(server.client, BUCKET).find(begun.key)
    assert found.digest == push.files[-1].record.sha256


def test_files_that_are_whole_are_not_sent_again(server: S3Server, folder: Path) -> None:
    def before(call: str) -> None:
        if call.endswith("manifest.json") and call.startswith("PUT"):
            raise ConnectionAbortedError

    server.disk.before = before
    with pytest.raises(Exception, match="Connection"):
        Push(server, folder).send()
    server.disk.before = lambda _: None
    server.disk.requests.clear()

    upload = Push(server, folder).send()

    assert calls(server, "PUT") == [f"PUT incoming/llm/{upload}/manifest.json"]
    assert calls(server, "POST") == []


def test_a_finished_upload_is_not_continued_nor_one_of_other_bytes(
    server: S3Server, folder: Path
) -> None:
    first, second = Push(server, folder).send(), Push(server, folder).send()
    assert first != second

    server.disk.before = fail_after(5)
    with pytest.raises(Exception, match="Connection"):
        Push(server, folder).send()
    server.disk.before = lambda _: None
    (begun,) = server.disk.uploads.values()
    (folder / "z.weights").write_bytes(WEIGHTS[::-1])
    assert Push(server, folder).send() not in begun.key


@pytest.mark.parametrize("name", ["z.weights", "model.yaml"])
@pytest.mark.parametrize("change", [lambda old: old[::-1], lambda old: old[:-1]])
def test_a_file_that_changes_after_it_was_hashed_is_named(
    server: S3Server, folder: Path, name: str, change: Callable[[bytes], bytes]
) -> None:
    push = Push(server, folder)
    (folder / name).write_bytes(change((folder / name).read_bytes()))

    with pytest.raises(CommandFailed, match=f"{name} has changed since it was hashed: push it"):
        push.send()

    assert not any(call.endswith("manifest.json") for call in calls(server, "PUT"))


def test_a_failure_stops_what_is_under_way(server: S3Server, folder: Path) -> None:
    server.disk.before = fail_after(0)
    push = Push(server, folder)

    with pytest.raises(Exception, match="Connection"):
        push.send()

    assert push.upload.stopping.is_set()


def test_what_is_stopped_sends_nothing_more(server: S3Server, folder: Path) -> None:
    push = Push(server, folder)
    push.upload.stopping.set()

    with pytest.raises(UploadStopped):
        push.send()

    assert [len(upload.parts) for upload in server.disk.uploads.values()] == [0]
    assert server.disk.objects == {}


def test_who_may_not_list_the_bucket_uploads_anew(server: S3Server, folder: Path) -> None:
    class Unlisted(IncomingBucket):
        def open_uploads(self, prefix: str) -> dict[str, str]:
            raise ClientError({"Error": {"Code": "AccessDenied"}}, "ListMultipartUploads")

    push = Push(server, folder)
    push.upload.bucket = Unlisted(server.client, BUCKET)

    assert UPLOAD_ID.fullmatch(push.send())


def test_a_file_that_shrinks_while_it_is_hashed_is_named(tmp_path: Path) -> None:
    (tmp_path / "w").write_bytes(b"1234")

    with pytest.raises(CommandFailed, match="became shorter"):
        hash_files(tmp_path, {"w": 5}, lambda _: None)


def test_upload_ids_sort_by_time_and_differ() -> None:
    def noon() -> datetime:
        return datetime(2026, 11, 21, 10, 15, tzinfo=UTC)

    first, second = new_upload_id(noon), new_upload_id(noon)
    assert re.fullmatch(r"20261121T101500Z-[0-9a-f]{6}", first)
    assert UPLOAD_ID.fullmatch(first)
    assert first != second


class RefusingClient:
    def upload_file(self, *_: Any, **__: Any) -> None:
        try:
            raise ClientError({"Error": {"Code": "AccessDenied"}}, "PutObject")
        except ClientError as error:
            raise S3UploadFailedError(f"Failed to upload: {error}") from error


def test_a_failed_upload_raises_what_s3_answered(tmp_path: Path) -> None:
    client: Any = RefusingClient()
    with pytest.raises(ClientError, match="AccessDenied"):
        Bucket(client, "b").put_file(tmp_path / "f", "k", lambda _: None)
