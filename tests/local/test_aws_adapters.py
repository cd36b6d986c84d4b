"""The adapters of ``serval.aws`` against an AWS emulator on a loopback port of its own."""

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import pytest

from serval.access.api_key import hash_api_key
from serval.aws.dynamodb.api_keys import ApiKeyStore
from serval.aws.dynamodb.claims import REMEMBERED, DynamoDBClaims
from serval.aws.dynamodb.registry import DynamoDBRegistry
from serval.aws.signed.client import SignedClient
from serval.aws.signed.secrets import SignedSecrets
from serval.aws.ssm.secrets import ParameterSecrets
from serval.errors import ModelNotFound, ModelVersionNotFound
from serval.models.registry import Rollout
from serval.models.route import Route
from serval.settings import Credentials
from serval_cli.local.aws_client import CONFIG, create_session
from tests.local.registry_rows import at_once, version

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table
START = datetime(2026, 11, 21, 10, 15, tzinfo=UTC)


@pytest.fixture
def registry(registry_table: "Table") -> DynamoDBRegistry:
    return DynamoDBRegistry(registry_table)


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


def test_versions_are_read_past_one_page(registry: DynamoDBRegistry, registry_table: "Table"):
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


def test_records_without_a_revision_are_written_over(
    registry: DynamoDBRegistry, registry_table: "Table"
):
    running = Rollout(model="iris", rollout="u", status="running", created="1", updated="1")
    item = {"pk": "MODEL#iris", "sk": "ROLLOUT#u", **running.to_attributes()}
    del item["revision"]
    registry_table.put_item(Item=item)

    found = registry.rollout("iris", "u")

    assert found is not None
    assert registry.record_rollout(replace(found, paused=True))


def test_a_key_without_a_callback_secret_signs_as_it_always_did(registry_table: "Table"):
    assert ApiKeyStore(registry_table).callback_secret("5b" * 32) == bytes.fromhex("5b" * 32)


def test_an_api_key_is_stored_as_its_hash_and_found_until_revoked(registry_table: "Table"):
    store = ApiKeyStore(registry_table, lambda: START)
    text, key = store.create("laptop", ["iris"])
    _, other = store.create("ci", ["*"])

    assert text not in str(registry_table.scan()["Items"])
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
    later = ApiKeyStore(registry_table, lambda: START + timedelta(days=1))
    assert later.revoke(key.id) == revoked
    assert store.revoke("nothing") is None
    assert len(store.keys()) == 2


def test_a_claim_is_the_first_owner_s_for_good(registry_table: "Table"):
    now = [START]
    claims = DynamoDBClaims(registry_table, lambda: now[0])

    since = "2026-11-21T10:15:00.000Z"
    assert claims.take("c", "one") == since
    now[0] += timedelta(minutes=1)
    assert claims.take("c", "one") == since
    assert claims.take("c", "two") is None
    assert claims.take("d", "two") == "2026-11-21T10:16:00.000Z"
    now[0] += timedelta(days=29)
    assert claims.take("c", "two") is None


def test_a_claim_is_forgotten_a_month_after_it_was_last_taken(registry_table: "Table"):
    DynamoDBClaims(registry_table, lambda: START).take("c", "one")

    (item,) = registry_table.scan()["Items"]
    assert item["expires"] == int((START + REMEMBERED).timestamp())


def test_one_of_many_owners_gets_a_claim(registry_table: "Table"):
    claims = DynamoDBClaims(registry_table)

    taken = at_once([partial(claims.take, "c", f"owner {number}") for number in range(8)])

    assert sum(since is not None for since in taken) == 1


def test_secrets_are_read_as_they_were_set_with_and_without_an_sdk(endpoint: str) -> None:
    stored = ParameterSecrets(
        create_session().client("ssm", endpoint_url=endpoint, config=CONFIG), "dev"
    )
    credentials = Credentials("test", "test")
    assert stored.set("shelf", "token", "before") == 1
    assert stored.set("shelf", "token", 'é "1"\n') == 2
    stored.set("shelf", "another", "x")
    stored.set("shelf-two", "token", "of another model")

    with closing(SignedClient("ssm", "us-east-1", credentials, endpoint)) as own:
        for reading in (stored, SignedSecrets(own, "dev")):
            assert reading.read("shelf", ["token", "missing"]) == {"token": 'é "1"\n'}
    listed = [(one.name, one.version) for one in stored.list_of("shelf")]
    assert listed == [("another", 1), ("token", 2)]
    assert stored.delete("shelf", "token")
    assert not stored.delete("shelf", "token")
    assert [one.name for one in stored.list_of("shelf")] == ["another"]
