"""The adapters of ``serval.aws`` against an AWS emulator on a loopback port of its own."""

import os
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest

from serval.access.api_key import hash_api_key
from serval.aws.dynamodb.api_keys import ApiKeyStore
from serval.aws.dynamodb.claims import REMEMBERED, DynamoDBClaims
from serval.aws.dynamodb.registry import DynamoDBRegistry
from serval.aws.s3.artifacts import PRESIGNED_SECONDS, PublishedFileDiffers, S3Artifacts
from serval.aws.s3.presigned import WrongSize, download
from serval.bundles.uploads import StoredObject, Upload, Uploads
from serval.bundles.verification.deployment import Deployment
from serval.errors import ModelNotFound, ModelVersionNotFound
from serval.models.registry import Rollout
from serval.models.route import Route
from serval.models.signature import Signature, TensorSpec
from serval.models.version import BundleFile, ModelVersion
from serval.object_created import ObjectCreated
from serval.rollouts.control import RolloutControl
from serval.rollouts.steps.claim import Claim
from serval.rollouts.steps.register import Register
from serval.rollouts.steps.verify import Verify
from tests.fakes.registration import manifest_of, scaling_bundle
from tests.fakes.tables import create_registry_table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_s3 import S3Client

ROOT = Path(__file__).parents[2]
EMULATOR = ROOT / "build" / "environments" / "platform" / "bin" / "ministack"
REGION = "eu-central-1"
START = datetime(2026, 11, 21, 10, 15, tzinfo=UTC)


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run the emulator while this module's tests run."""
    folder = tmp_path_factory.mktemp("emulator")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "MINISTACK_HOST": "127.0.0.1",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
    }
    log = folder / "log"
    with log.open("wb") as output:
        emulator = subprocess.Popen(
            [EMULATOR], env=environment, cwd=folder, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until_healthy(url, emulator, log)
        yield url
    finally:
        emulator.terminate()
        try:
            emulator.wait(10)
        except subprocess.TimeoutExpired:
            emulator.kill()
            emulator.wait(10)


def wait_until_healthy(url: str, emulator: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and emulator.poll() is None:
        try:
            urllib.request.urlopen(f"{url}/_ministack/health", timeout=5).close()
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
        else:
            return
    pytest.fail(f"the emulator did not start: {log.read_text()}")


@pytest.fixture(scope="module")
def session() -> boto3.Session:
    return boto3.Session("test", "test", region_name=REGION)


@pytest.fixture
def table(endpoint: str, session: boto3.Session) -> Iterator["Table"]:
    dynamodb = session.resource("dynamodb", endpoint_url=endpoint)
    table: Table = create_registry_table(dynamodb, "registry")
    yield table
    table.delete()


@pytest.fixture
def client(endpoint: str, session: boto3.Session) -> "S3Client":
    return session.client("s3", endpoint_url=endpoint)


@pytest.fixture
def bucket(client: "S3Client", request: pytest.FixtureRequest) -> str:
    """Create a versioned bucket of the test's own."""
    name = sha256(request.node.name.encode()).hexdigest()[:40]
    client.create_bucket(
        Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )
    client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name


@pytest.fixture
def registry(table: "Table") -> DynamoDBRegistry:
    return DynamoDBRegistry(table)


def at_once(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """Make calls in threads that start together; give their answers in order."""
    start = threading.Barrier(len(calls))

    def wait_and(call: Callable[[], Any]) -> Any:
        start.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(wait_and, calls))


def version(number: str, model: str = "iris", description: str = "") -> ModelVersion:
    return ModelVersion(
        model=model,
        version=number,
        digest="d" * 64,
        created="2026-11-21T10:15:00.000Z",
        artifact="model.onnx",
        artifact_files=("model.onnx", "weights.bin"),
        files=(
            BundleFile("model.onnx", "a" * 64, 2300),
            BundleFile("weights.bin", "b" * 64, 5),
        ),
        signature=Signature(
            (TensorSpec("x", "FP32", (-1, 4)),), (TensorSpec("label", "INT64", (-1,)),)
        ),
        bundle={"name": model, "description": description},
    )


def test_a_version_reads_back_as_it_was_recorded(registry: DynamoDBRegistry):
    registry.record(version("2"))
    registry.record(version("10"))

    assert registry.version("iris", "10") == version("10")
    assert [found.version for found in registry.versions("iris")] == ["2", "10"]
    assert registry.models() == ["iris"]


@pytest.mark.parametrize("number", ["1", "02", "-1", "x", "", "²", "99999999999"])
def test_a_version_that_is_not_there_is_not_found(registry: DynamoDBRegistry, number: str):
    registry.record(version("2"))

    with pytest.raises(ModelVersionNotFound):
        registry.version("iris", number)


def test_a_version_once_recorded_is_never_changed(registry: DynamoDBRegistry):
    registry.record(version("1", description="first"))
    registry.record(version("1", description="second"))

    assert registry.version("iris", "1").bundle["description"] == "first"


def test_versions_are_read_past_one_page(registry: DynamoDBRegistry, table: "Table"):
    padding = "x" * 300_000
    for number in range(1, 6):
        registry.record(version(str(number), description=padding))

    assert len(registry.versions("iris")) == 5


def test_a_digest_keeps_its_version(registry: DynamoDBRegistry):
    first, second = "1" * 64, "2" * 64

    assert [registry.reserve("iris", digest) for digest in (first, second, first)] == [
        "1",
        "2",
        "1",
    ]
    assert registry.reserve("digits", second) == "1"


def test_racing_reservations_give_every_digest_a_version_of_its_own(registry: DynamoDBRegistry):
    digests = [character * 64 for character in "abcd"] * 2

    reserved = at_once([partial(registry.reserve, "iris", digest) for digest in digests])

    assert sorted(set(reserved)) == ["1", "2", "3", "4"]
    assert reserved[:4] == reserved[4:]


def test_a_route_is_written_by_the_first_of_two_writers(registry: DynamoDBRegistry):
    with pytest.raises(ModelNotFound):
        registry.route("iris")

    assert registry.set_route("iris", Route("1", revision=1), None)
    assert not registry.set_route("iris", Route("2", revision=1), None)
    candidate = Route("1", candidate="2", percent=10, rollout="u2", revision=2)
    assert registry.set_route("iris", candidate, 1)
    assert not registry.set_route("iris", Route("3", revision=2), 1)
    assert registry.route("iris") == candidate
    assert registry.set_route("iris", Route("2", rollout="u2", revision=3), 2)
    assert registry.route("iris") == Route("2", rollout="u2", revision=3)


def test_rollouts_are_listed_newest_first(registry: DynamoDBRegistry):
    older = Rollout(
        model="iris",
        rollout="z",
        status="refused",
        created="2026-11-21T10:00:00.000Z",
        updated="later",
        reason="no graph",
    )
    newer = replace(older, rollout="a", status="running", created="2026-11-21T11:00:00.000Z")
    registry.record_rollout(older)
    registry.record_rollout(newer)

    assert registry.rollouts("iris") == [newer, older]
    assert registry.rollout("iris", "z") == older
    assert registry.rollout("iris", "y") is None


def test_a_verdict_is_never_changed(registry: DynamoDBRegistry):
    running = Rollout(model="iris", rollout="u", status="running", created="1", updated="1")
    promoted = replace(running, status="promoted", version="1")

    assert registry.record_rollout(running)
    assert not registry.record_rollout(promoted), "it was written since it was read"
    assert registry.record_rollout(replace(promoted, revision=1))
    assert not registry.record_rollout(replace(running, revision=2))
    assert registry.rollout("iris", "u") == promoted


def test_a_route_and_its_rollouts_are_written_together_or_not_at_all(registry: DynamoDBRegistry):
    running = Rollout(model="iris", rollout="u", status="running", created="1", updated="1")
    promoted = replace(running, status="promoted", version="1", revision=1)
    aborted = replace(running, status="rolled back", revision=1)
    route = Route("1", rollout="u", revision=1)
    registry.record_rollout(running)

    assert not registry.set_route("iris", route, 4, [promoted]), "there is no such route"
    assert registry.record_rollout(aborted)
    assert not registry.set_route("iris", route, None, [promoted]), "it was aborted meanwhile"
    with pytest.raises(ModelNotFound):
        registry.route("iris")
    assert registry.rollout("iris", "u") == aborted
    later = replace(running, rollout="v")
    assert registry.set_route("iris", replace(route, rollout="v"), None, [later])
    assert registry.rollout("iris", "v") == later


def test_records_without_a_revision_are_written_over(registry: DynamoDBRegistry, table: "Table"):
    running = Rollout(model="iris", rollout="u", status="running", created="1", updated="1")
    item = {"pk": "MODEL#iris", "sk": "ROLLOUT#u", **running.to_attributes()}
    del item["revision"]
    table.put_item(Item=item)

    found = registry.rollout("iris", "u")

    assert found is not None
    assert registry.record_rollout(replace(found, paused=True))


def test_a_key_without_a_callback_secret_signs_as_it_always_did(table: "Table"):
    assert ApiKeyStore(table).callback_secret("5b" * 32) == bytes.fromhex("5b" * 32)


def test_an_api_key_is_stored_as_its_hash_and_found_until_revoked(table: "Table"):
    store = ApiKeyStore(table, lambda: START)
    text, key = store.create("laptop", ["iris"])
    _, other = store.create("ci", ["*"])

    assert text not in str(table.scan()["Items"])
    assert store.find(hash_api_key(text)) == key
    assert store.find(hash_api_key("srv_unknown")) is None
    secret = store.callback_secret(hash_api_key(text))
    assert len(secret) == 32
    assert secret not in (bytes.fromhex(hash_api_key(text)), store.callback_secret("0c" * 32))
    store.mark_used(hash_api_key(text), "2026-11-21")
    store.mark_used(hash_api_key("srv_unknown"), "2026-11-21")
    listed = store.keys()
    assert {found.id: found.last_used for found in listed} == {
        key.id: "2026-11-21",
        other.id: None,
    }

    revoked = store.revoke(key.id)

    assert revoked is not None
    assert revoked.revoked == "2026-11-21T10:15:00.000Z"
    assert store.find(hash_api_key(text)) is None
    later = ApiKeyStore(table, lambda: START + timedelta(days=1))
    assert later.revoke(key.id) == revoked
    assert store.revoke("nothing") is None
    assert len(store.keys()) == 2


def test_a_claim_is_the_first_owner_s_for_good(table: "Table"):
    now = [START]
    claims = DynamoDBClaims(table, lambda: now[0])

    since = "2026-11-21T10:15:00.000Z"
    assert claims.take("c", "one") == since
    now[0] += timedelta(minutes=1)
    assert claims.take("c", "one") == since
    assert claims.take("c", "two") is None
    assert claims.take("d", "two") == "2026-11-21T10:16:00.000Z"
    now[0] += timedelta(days=29)
    assert claims.take("c", "two") is None


def test_a_claim_is_forgotten_a_month_after_it_was_last_taken(table: "Table"):
    DynamoDBClaims(table, lambda: START).take("c", "one")

    (item,) = table.scan()["Items"]
    assert item["expires"] == int((START + REMEMBERED).timestamp())


def test_one_of_many_owners_gets_a_claim(table: "Table"):
    claims = DynamoDBClaims(table)

    taken = at_once([partial(claims.take, "c", f"owner {number}") for number in range(8)])

    assert sum(since is not None for since in taken) == 1


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


def test_a_presigned_url_reads_the_version_found(client: "S3Client", bucket: str, tmp_path: Path):
    artifacts = S3Artifacts(client, bucket)
    client.put_object(Bucket=bucket, Key="incoming/iris/u 1/ä+.onnx", Body=b"first")
    found = artifacts.find("incoming/iris/u 1/ä+.onnx")
    client.put_object(Bucket=bucket, Key="incoming/iris/u 1/ä+.onnx", Body=b"second, longer")
    assert found is not None

    url = artifacts.presign(found)
    download(url, tmp_path / "k", found.size_bytes)

    assert (tmp_path / "k").read_bytes() == b"first"
    query = parse_qs(urlsplit(url).query)
    assert query["versionId"] == [found.version_id]
    assert query["X-Amz-Expires"] == [str(PRESIGNED_SECONDS)]


@pytest.mark.parametrize("expected", [4, 6])
def test_an_object_of_another_size_is_not_taken(
    client: "S3Client", bucket: str, tmp_path: Path, expected: int
):
    artifacts = S3Artifacts(client, bucket)
    client.put_object(Bucket=bucket, Key="k", Body=b"five!")
    found = artifacts.find("k")
    assert found is not None

    with pytest.raises(WrongSize, match=f"^k: 5 bytes, {expected} expected$"):
        download(artifacts.presign(found), tmp_path / "k", expected)
    assert not (tmp_path / "k").exists()


def test_an_object_that_is_gone_is_an_error_of_http(
    client: "S3Client", bucket: str, tmp_path: Path
):
    gone = StoredObject("gone", "null", 5)

    with pytest.raises(urllib.error.HTTPError, match="404") as error:
        download(S3Artifacts(client, bucket).presign(gone), tmp_path / "k", 5)
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
    client: "S3Client", bucket: str, registry: DynamoDBRegistry, table: "Table", tmp_path: Path
) -> Steps:
    artifacts = S3Artifacts(client, bucket)
    control = RolloutControl(registry)
    return Steps(
        Claim(
            claims=DynamoDBClaims(table),
            uploads=Uploads(artifacts, registry),
            control=control,
            presign=artifacts.presign,
            golden_functions={"*": "golden"},
        ),
        Verify(download, Deployment({"*": 1024}, 512), 3008, tmp_path),
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
