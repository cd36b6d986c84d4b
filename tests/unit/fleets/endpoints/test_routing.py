"""Which version a request of a fleet's model gets."""

import pytest

from serval.errors import ModelNotFound, ModelVersionNotFound
from serval.fleets.endpoints.routing import Routing
from serval.models.route import KnownVersions, Route
from tests.fakes.fleets import KnownModels
from tests.fakes.inbox import HandClock
from tests.fakes.requests import async_request

CANARY = Route("1", candidate="2", percent=100, rollout="r")


def routing(route: Route = CANARY) -> Routing:
    return Routing(KnownVersions(KnownModels({"textgen": route})))


def test_the_route_chooses() -> None:
    assert routing().version_for(async_request()) == "2"
    assert routing(Route("1")).version_for(async_request()) == "1"


def test_a_version_that_is_asked_for_is_the_one() -> None:
    assert routing().version_for(async_request(wanted="3")) == "3"
    with pytest.raises(ModelVersionNotFound):
        routing().version_for(async_request(wanted="9"))


def test_requests_of_one_affinity_get_one_version() -> None:
    half = Route("1", candidate="2", percent=50, rollout="r")

    chosen = {routing(half).version_for(async_request(f"r{n}", affinity="me")) for n in range(50)}
    others = {routing(half).version_for(async_request(f"r{n}")) for n in range(50)}

    assert len(chosen) == 1
    assert others == {"1", "2"}


def test_what_the_candidate_failed_at_is_tried_on_the_stable_version() -> None:
    failed = async_request(version="2", error="out of memory")

    assert routing().version_for(failed) == "1"


def test_a_version_stands_for_a_track() -> None:
    assert routing().track_of(async_request(version="2")) == "candidate"
    assert routing().track_of(async_request(version="1")) == "stable"


def test_a_request_that_named_its_version_has_no_vote() -> None:
    named = async_request(version="2", wanted="2")

    assert routing().track_of(named) == "pinned-candidate"


def test_a_model_that_was_never_published_weighs_as_much_as_others() -> None:
    known = Routing(
        KnownVersions(
            KnownModels({"vision": Route("1")}, weights={"vision": 3}), HandClock().monotonic
        )
    )

    assert (known.weight_of("vision"), known.weight_of("nothing")) == (3, 1)
    with pytest.raises(ModelNotFound):
        known.versions.route("nothing")
