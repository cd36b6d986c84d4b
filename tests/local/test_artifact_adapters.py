"""Artifacts and uploads against the emulator's S3: what is read, staged, published and verified."""

import os
import urllib.error
import urllib.request
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest

from serval.aws.dynamodb.claims import DynamoDBClaims
from serval.aws.dynamodb.registry import DynamoDBRegistry
from serval.aws.s3.artifacts import PRESIGNED_SECONDS, PublishedFileDiffers, S3Artifacts
from serval.aws.s3.presigned import WrongSize, open_from
from serval.bundles.uploads import StoredObject, Upload, Uploads
from serval.bundles.verification.deployment import Deployment
from serval.foreign import ObjectCreated
from serval.models.version import BundleFile
from serval.rollouts.control import RolloutControl
from serval.rollouts.steps.claim import Claim
from serval.rollouts.steps.register import Register
from serval.rollouts.steps.verify import Verify
from tests.fakes.registration import manifest_of, scaling_bundle
from tests.local.registry_rows import at_once

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_s3 import S3Client


@pytest.fixture
def client(endpoint: str) -> "S3Client":
    return boto3.Session("test", "test", region_name="eu-central-1").client(
        "s3", endpoint_url=endpoint
    )


@pytest.fixture
def registry(registry_table: "Table") -> DynamoDBRegistry:
    return DynamoDBRegistry(registry_table)


@pytest.fixture
def bucket(client: "S3Client", request: pytest.FixtureRequest) -> str:
    """Create a versioned bucket of the test's own."""
    name = sha256(request.node.name.encode()).hexdigest()[:40]
    client.create_bucket(
        Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )
    client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name


def test_a_read_is_pinned_to_the_version_found(client: "S3Client", bucket: str, tmp_path: Path):
    artifacts = S3Artifacts(client, bucket)
    assert artifacts.find("incoming/iris/u/model.onnx") is None
    client.put_object(Bucket=bucket, Key="k", Body=b"first")
    found = artifacts.find("k")
    client.put_object(Bucket=bucket, Key="k", Body=b"second, longer")

    assert found is not None
    assert found.size_bytes == 5
    assert artifacts.read(found) == b"first"
    artifacts.download(found, tmp_path / "k")
    assert (tmp_path / "k").read_bytes() == b"first"
    assert artifacts.find("k", found.version_id) == found
    newest = artifacts.find("k")
    assert newest is not None
    assert newest.size_bytes == 14


@pytest.mark.parametrize("size", [10, 9 * 2**20], ids=["whole", "in parts"])
def test_a_form_is_staged_whole_and_a_repetition_replaces_it(
    client: "S3Client", bucket: str, tmp_path: Path, size: int
):
    artifacts = S3Artifacts(client, bucket)
    path, key = tmp_path / "model.onnx.data", "staging/m/u/optimised/portable/model.onnx.data"
    for body in (b"cut", os.urandom(size)):
        path.write_bytes(body)
        artifacts.stage(path, key)

    found = artifacts.find(key)
    assert found is not None
    assert artifacts.read(found) == body


def test_a_presigned_url_reads_the_version_found(client: "S3Client", bucket: str):
    artifacts = S3Artifacts(client, bucket)
    client.put_object(Bucket=bucket, Key="incoming/iris/u 1/ä+.onnx", Body=b"first")
    found = artifacts.find("incoming/iris/u 1/ä+.onnx")
    client.put_object(Bucket=bucket, Key="incoming/iris/u 1/ä+.onnx", Body=b"second, longer")
    assert found is not None

    url = artifacts.presign(found)
    with open_from(url, 0, found.size_bytes) as body:
        assert body.read() == b"first"
    # The emulator sends all of it, whatever range is asked for.
    with open_from(url, 2, found.size_bytes) as body:
        assert body.read() == b"rst"
    query = parse_qs(urlsplit(url).query)
    assert query["versionId"] == [found.version_id]
    assert query["X-Amz-Expires"] == [str(PRESIGNED_SECONDS)]


@pytest.mark.parametrize("expected", [4, 6])
def test_an_object_of_another_size_is_not_taken(client: "S3Client", bucket: str, expected: int):
    artifacts = S3Artifacts(client, bucket)
    client.put_object(Bucket=bucket, Key="k", Body=b"five!")
    found = artifacts.find("k")
    assert found is not None

    with pytest.raises(WrongSize, match=f"^5 bytes, {expected} expected$"):
        open_from(artifacts.presign(found), 0, expected)


def test_an_object_that_is_gone_is_an_error_of_http(client: "S3Client", bucket: str):
    gone = StoredObject("gone", "null", 5)

    with pytest.raises(urllib.error.HTTPError, match="404") as error:
        open_from(S3Artifacts(client, bucket).presign(gone), 0, 5)
    error.value.close()


def test_a_staged_file_replaces_what_an_earlier_attempt_staged(
    client: "S3Client", bucket: str, tmp_path: Path
):
    artifacts = S3Artifacts(client, bucket)
    for body in (b"first", b"second"):
        (tmp_path / "form").write_bytes(body)
        artifacts.stage(tmp_path / "form", "staging/iris/u/model.onnx")

    found = artifacts.find("staging/iris/u/model.onnx")
    assert found is not None
    assert artifacts.read(found) == b"second"


@pytest.mark.parametrize("limit", [2**30, 2**20], ids=["copied", "in parts"])
def test_a_file_is_published_once(client: "S3Client", bucket: str, limit: int):
    body, other = os.urandom(12 * 2**20), os.urandom(12 * 2**20)
    artifacts = S3Artifacts(client, bucket, copy_limit_bytes=limit, part_bytes=5 * 2**20)
    client.put_object(Bucket=bucket, Key="incoming/k", Body=body)
    source = artifacts.find("incoming/k")
    client.put_object(Bucket=bucket, Key="incoming/k", Body=other)
    newer = artifacts.find("incoming/k")
    assert source is not None
    assert newer is not None
    file = BundleFile("k", sha256(body).hexdigest(), len(body))

    artifacts.publish(source, file, "models/iris/1/k")
    artifacts.publish(source, file, "models/iris/1/k")
    with pytest.raises(PublishedFileDiffers):
        artifacts.publish(
            newer, BundleFile("k", sha256(other).hexdigest(), len(other)), "models/iris/1/k"
        )

    assert client.get_object(Bucket=bucket, Key="models/iris/1/k")["Body"].read() == body
    versions = client.list_object_versions(Bucket=bucket, Prefix="models/")
    assert len(versions["Versions"]) == 1
    assert "Uploads" not in client.list_multipart_uploads(Bucket=bucket)


def test_a_file_that_another_writer_publishes_meanwhile_stays(client: "S3Client", bucket: str):
    body = os.urandom(6 * 2**20)
    artifacts = S3Artifacts(client, bucket, copy_limit_bytes=2**20, part_bytes=5 * 2**20)
    client.put_object(Bucket=bucket, Key="incoming/k", Body=body)
    source = artifacts.find("incoming/k")
    assert source is not None
    file = BundleFile("k", sha256(body).hexdigest(), len(body))

    def interfere(**_: Any) -> None:
        client.put_object(Bucket=bucket, Key="models/iris/1/k", Body=b"theirs")

    client.meta.events.register("before-call.s3.CompleteMultipartUpload", interfere)
    with pytest.raises(PublishedFileDiffers):
        artifacts.publish(source, file, "models/iris/1/k")

    assert client.get_object(Bucket=bucket, Key="models/iris/1/k")["Body"].read() == b"theirs"
    assert "Uploads" not in client.list_multipart_uploads(Bucket=bucket)


def test_a_copy_asks_not_to_overwrite(client: "S3Client", bucket: str):
    # The emulator copies whatever is there; so the request itself is looked at.
    artifacts = S3Artifacts(client, bucket)
    client.put_object(Bucket=bucket, Key="incoming/k", Body=b"body")
    source = artifacts.find("incoming/k")
    assert source is not None
    sent: list[Any] = []
    client.meta.events.register(
        "before-send.s3.CopyObject", lambda request, **_: sent.append(request.headers)
    )

    artifacts.publish(source, BundleFile("k", sha256(b"body").hexdigest(), 4), "models/iris/1/k")

    (headers,) = sent
    assert headers["If-None-Match"] == b"*"
    assert source.version_id.encode() in headers["x-amz-copy-source"]


@dataclass(frozen=True)
class Steps:
    """The steps of a rollout over the emulator; optimising and the golden check pass it on."""

    claim: Claim
    verify: Verify
    register: Register

    def roll_out(self, event: ObjectCreated, owner: str) -> str:
        """Give the rollout's status, or what a step said that did not pass."""
        claim = self.claim.claim(event, owner)
        if claim["outcome"] != "passed":
            return str(claim["outcome"])
        upload = Upload.from_json(claim["upload"])
        verified = self.verify.verify(upload, claim["urls"])["verified"]
        checked = {"optimised": {"forms": [], "notes": []}, "golden": {}}
        event = {"upload": claim["upload"], "verified": verified, **checked}
        return str(self.register.register(event)["status"])


@pytest.fixture
def steps(
    client: "S3Client",
    bucket: str,
    registry: DynamoDBRegistry,
    registry_table: "Table",
) -> Steps:
    artifacts = S3Artifacts(client, bucket)
    control = RolloutControl(registry)
    return Steps(
        Claim(
            claims=DynamoDBClaims(registry_table),
            uploads=Uploads(artifacts, registry),
            control=control,
            presign=artifacts.presign,
            registry=registry,
            golden_functions={"*": "golden"},
        ),
        Verify(open_from, Deployment({"*": 1024}, 512), 3008),
        Register(artifacts, control),
    )


def upload(client: "S3Client", bucket: str, name: str, factor: float = 2.0) -> ObjectCreated:
    files = scaling_bundle(factor=factor)
    prefix = f"incoming/scaling/{name}/"
    for path, body in files.items():
        client.put_object(Bucket=bucket, Key=prefix + path, Body=body)
    manifest = manifest_of("scaling", files).encode()
    client.put_object(Bucket=bucket, Key=f"{prefix}manifest.json", Body=manifest)
    return ObjectCreated(bucket, f"{prefix}manifest.json", None)


def test_an_upload_becomes_a_version_in_the_emulator(
    client: "S3Client", bucket: str, registry: DynamoDBRegistry, steps: Steps
):
    event = upload(client, bucket, "u1")

    assert steps.roll_out(event, "a") == "promoted"
    assert steps.roll_out(event, "b") == "ignored"

    assert registry.route("scaling").stable == "1"
    listed = client.list_objects_v2(Bucket=bucket, Prefix="models/")["Contents"]
    assert [found["Key"] for found in listed] == [
        "models/scaling/1.json",
        "models/scaling/1/model.onnx",
        "models/scaling/1/model.yaml",
    ]
    rollout = registry.rollout("scaling", "u1")
    assert rollout is not None
    assert rollout.status == "promoted"


def test_racing_uploads_end_on_one_of_them(
    client: "S3Client", bucket: str, registry: DynamoDBRegistry, steps: Steps
):
    events = [upload(client, bucket, f"u{number}", number // 2) for number in range(6)]

    outcomes = at_once(
        [partial(steps.roll_out, event, event.key) for event in events]
        + [partial(steps.roll_out, event, "repeated") for event in events]
    )

    rolled_out = [outcome for outcome in outcomes if outcome != "ignored"]
    assert len(rolled_out) == 6
    assert set(rolled_out) <= {"promoted", "running", "superseded"}
    assert [version.version for version in registry.versions("scaling")] == ["1", "2", "3"]
    reconcile = steps.register.control.reconcile
    ended = [reconcile(rollout) for rollout in registry.rollouts("scaling")]
    route = registry.route("scaling")
    for rollout in ended:
        if rollout.rollout != route.rollout:
            assert rollout.status in {"promoted", "superseded"}
        else:
            assert rollout.version == (route.candidate or route.stable)
            assert rollout.status == ("running" if route.candidate else "promoted")
