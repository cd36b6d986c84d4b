"""Artifacts in many parts, through a real client: found, read in ranges, copied, downloaded."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from serval.aws.s3.artifact_downloads import S3ArtifactDownloads
from serval.aws.s3.artifacts import S3Artifacts
from serval.aws.s3.presigned import WrongSize, open_from
from serval.errors import ArtifactUnavailable
from serval.models import digests
from serval.models.digests import digest_file
from serval.models.version import BundleFile, ModelVersion
from tests.fakes.inference import signature, version_record
from tests.fakes.s3_server import BUCKET, S3Server, s3_server

pytestmark = pytest.mark.slow
PART = 2**16
BODY = os.urandom(5 * PART + 7)
KEY = "models/llm/1/weights"


@pytest.fixture(scope="module")
def running() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


@pytest.fixture
def server(running: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    monkeypatch.setattr(digests, "PART_BYTES", PART)
    running.empty(tmp_path / "s3")
    running.client.put_object(Bucket=BUCKET, Key=KEY, Body=BODY)
    running.disk.requests.clear()
    return running


@pytest.fixture
def digest(tmp_path: Path) -> str:
    (tmp_path / "body").write_bytes(BODY)
    with (tmp_path / "body").open("rb") as file:
        return digest_file(file, like="f-1")


def record(digest: str) -> ModelVersion:
    plain = version_record("llm", "1", BODY, signature("FP32", (-1, 2)))
    return replace(plain, files=(BundleFile("weights", digest, len(BODY)),))


def test_parts_come_at_once_and_are_verified(server: S3Server, digest: str, tmp_path: Path):
    store = S3ArtifactDownloads(server.client, BUCKET)

    store.fetch(record(digest), "weights", tmp_path / "weights")

    assert (tmp_path / "weights").read_bytes() == BODY
    assert server.disk.requests == [f"GET {KEY}"] * 6


def test_a_part_that_breaks_off_comes_again(server: S3Server, digest: str, tmp_path: Path):
    broken: list[str] = []

    def break_off(call: str) -> None:
        if not broken:
            broken.append(call)
            raise ConnectionAbortedError

    server.disk.before = break_off

    S3ArtifactDownloads(server.client, BUCKET).fetch(
        record(digest), "weights", tmp_path / "weights"
    )

    assert (tmp_path / "weights").read_bytes() == BODY


def test_other_bytes_in_a_part_are_never_given(server: S3Server, digest: str, tmp_path: Path):
    other = BODY[:-1] + bytes([BODY[-1] ^ 1])
    server.client.put_object(Bucket=BUCKET, Key=KEY, Body=other)

    with pytest.raises(ArtifactUnavailable, match="published was") as raised:
        S3ArtifactDownloads(server.client, BUCKET).fetch(
            record(digest), "weights", tmp_path / "weights"
        )

    assert raised.value.lost
    assert not (tmp_path / "weights").exists()


def test_parts_are_copied_at_once_and_published_once(server: S3Server, digest: str):
    artifacts = S3Artifacts(server.client, BUCKET, copy_limit_bytes=PART, part_bytes=PART)
    source = artifacts.find(KEY)
    assert source is not None
    file = BundleFile("weights", digest, len(BODY))

    artifacts.publish(source, file, "models/llm/2/weights")
    server.disk.requests.clear()
    artifacts.publish(source, file, "models/llm/2/weights")

    assert server.disk.requests == ["HEAD models/llm/2/weights"]
    copied = artifacts.find("models/llm/2/weights")
    assert copied is not None
    assert artifacts.read(copied) == BODY
    assert server.disk.uploads == {}


def test_the_digest_that_s3_checked_is_found(server: S3Server):
    server.client.put_object(Bucket=BUCKET, Key="k", Body=b"small", ChecksumAlgorithm="SHA256")
    artifacts = S3Artifacts(server.client, BUCKET)

    checked, unchecked = artifacts.find("k"), artifacts.find(KEY)

    assert checked is not None
    assert checked.digest == hashlib.sha256(b"small").hexdigest()
    assert unchecked is not None
    assert unchecked.digest is None


def test_a_range_is_read_by_its_url(server: S3Server):
    artifacts = S3Artifacts(server.client, BUCKET)
    found: Any = artifacts.find(KEY)
    url = artifacts.presign(found)

    with open_from(url, 1000, len(BODY)) as body:
        assert body.read(5) == BODY[1000:1005]
    with pytest.raises(WrongSize, match=f"{len(BODY)} bytes, 3 expected"):
        open_from(url, 0, 3)
