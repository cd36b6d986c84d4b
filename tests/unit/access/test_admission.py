"""Admission: one read on a cold start, none on most requests."""

import pytest

from serval.access.admission import Admission, Authenticator
from serval.access.api_key import Caller, hash_api_key
from serval.errors import ApiKeyMissing, ApiKeyRejected, ModelNotFound
from serval.models.route import Route
from tests.fakes.inference import Clock, InMemoryEdge

GOOD = {"x-api-key": "srv_good"}


def admission(edge: InMemoryEdge, clock: Clock) -> Admission:
    edge.grant("srv_good")
    edge.routes["iris"] = Route("1")
    return Admission(edge, Authenticator(clock), clock)


def test_key_and_route_are_one_read() -> None:
    edge, clock = InMemoryEdge(), Clock()
    admit = admission(edge, clock).admit
    assert admit(GOOD, "iris")[1].stable == "1"
    assert admit(GOOD, "iris")[1].stable == "1"
    assert edge.reads == ["key and route"]


def test_a_changed_route_is_seen_after_five_seconds() -> None:
    edge, clock = InMemoryEdge(), Clock()
    admit = admission(edge, clock).admit
    admit(GOOD, "iris")
    edge.routes["iris"] = Route("2")
    clock.seconds += 4.9
    assert admit(GOOD, "iris")[1].stable == "1"
    clock.seconds += 0.1
    assert admit(GOOD, "iris")[1].stable == "2"
    assert edge.reads == ["key and route", "route"]


def test_a_cached_key_is_held_against_each_model() -> None:
    edge, clock = InMemoryEdge(), Clock()
    admit = admission(edge, clock).admit
    admit(GOOD, "iris")
    with pytest.raises(ModelNotFound):
        admit(GOOD, "absent")


def test_an_unknown_key_is_remembered_too() -> None:
    edge, clock = InMemoryEdge(), Clock()
    admit = admission(edge, clock).admit
    for _ in range(3):
        with pytest.raises(Exception, match="unknown or revoked"):
            admit({"x-api-key": "srv_bad"}, "iris")
    assert edge.reads == ["key and route"]


SIGNED = "AWS4-HMAC-SHA256 Credential={}/20260101/us-east-1/sagemaker/aws4_request, Signature=0"


@pytest.mark.parametrize(
    "value", ["Bearer srv_good", "Basic YW55OnNydl9nb29k", SIGNED.format("srv_good")]
)
def test_a_key_comes_in_the_place_that_a_client_has_for_it(value: str) -> None:
    caller, _ = admission(InMemoryEdge(), Clock()).admit({"authorization": value}, "iris")
    assert caller.key is not None


def test_a_header_of_our_own_goes_before_a_signature() -> None:
    headers = GOOD | {"authorization": SIGNED.format("AKIAEXAMPLE")}
    assert admission(InMemoryEdge(), Clock()).admit(headers, "iris")[0].key is not None


@pytest.mark.parametrize(
    "value",
    ["", "Bearer", "Bearer ", "Basic abc", "Basic YW55Og==", "AWS4-HMAC-SHA256 Signature=0"],
)
def test_a_header_without_a_key_is_no_key(value: str) -> None:
    with pytest.raises(ApiKeyMissing):
        admission(InMemoryEdge(), Clock()).admit({"authorization": value}, "iris")


def test_the_gateway_may_authenticate_instead() -> None:
    edge, clock = InMemoryEdge(), Clock()
    edge.routes["iris"] = Route("1")
    assert Admission(edge, None, clock).admit({}, "iris") == (Caller(), Route("1"))


def test_a_caller_is_told_apart_before_it_names_a_model() -> None:
    edge, clock = InMemoryEdge(), Clock()
    checks = admission(edge, clock)
    edge.grant("srv_narrow", "digits")
    caller = checks.authenticate({"x-api-key": "srv_narrow"})
    assert caller.among(["iris"]) == ["digits"]
    assert checks.authenticate({"x-api-key": "srv_narrow"}) is caller
    assert edge.reads == ["key and route"]
    with pytest.raises(ApiKeyMissing):
        checks.authenticate({})
    assert Admission(edge, None, clock).authenticate({}) == Caller()


def test_no_key_is_kept_by_which_somebody_could_call() -> None:
    authenticator = Authenticator(lambda: 0.0)
    asked: list[str] = []

    def lookup(key_hash: str) -> None:
        asked.append(key_hash)

    for _ in range(2):
        with pytest.raises(ApiKeyRejected):
            authenticator.authenticate({"x-api-key": "srv_secret"}, lookup)
    assert asked == [hash_api_key("srv_secret")]
    assert "srv_secret" not in repr(authenticator)
