"""Which endpoint an event is for."""

from collections.abc import Mapping

import pytest

from serval.errors import PathNotFound
from serval.http.call import HttpCall
from serval.http.dispatch import Endpoint, find_endpoint

MODELS = Endpoint("GET", "/v2/models")
STATS = Endpoint("GET", "/v2/models/stats")
MODEL = Endpoint("GET", "/v2/models/{model}")
LOAD = Endpoint("POST", "/v2/models/{model}")
ENDPOINTS = (MODELS, STATS, MODEL, LOAD)


def call(method: str, path: str, stage: str = "$default") -> HttpCall:
    context = {"stage": stage, "http": {"method": method}}
    return HttpCall.from_event({"rawPath": path, "headers": {}, "requestContext": context})


def find(method: str, path: str) -> tuple[Endpoint, Mapping[str, str]]:
    endpoint, found = find_endpoint(ENDPOINTS, call(method, path))
    return endpoint, found.names


@pytest.mark.parametrize(
    ("path", "stage", "rest"),
    [
        ("/v2/models", "$default", "/v2/models"),
        ("/blue/v2/models", "blue", "/v2/models"),
        ("/blue", "blue", "/"),
        ("/blues/v2", "blue", "/blues/v2"),
        ("/v2/blue", "blue", "/v2/blue"),
    ],
)
def test_the_stage_is_cut_off_where_it_prefixes_the_path(path: str, stage: str, rest: str) -> None:
    assert call("GET", path, stage).path == rest


def test_a_literal_segment_beats_a_name() -> None:
    assert find("GET", "/v2/models/stats") == (STATS, {})
    assert find("GET", "/v2/models/iris") == (MODEL, {"model": "iris"})


def test_the_method_chooses_among_endpoints_of_a_path() -> None:
    assert find("POST", "/v2/models/iris") == (LOAD, {"model": "iris"})


def test_an_encoded_slash_stays_within_its_segment() -> None:
    assert find("GET", "/v2/models/a%2Fb") == (MODEL, {"model": "a/b"})


@pytest.mark.parametrize("path", ["/", "", "/v2", "/v2/models//x", "/v2/models/a/b", "v2/models"])
def test_other_paths_are_not_found(path: str) -> None:
    with pytest.raises(PathNotFound, match=r"GET /openapi.json"):
        find("GET", path)


def test_a_wrong_method_names_every_right_one() -> None:
    with pytest.raises(PathNotFound, match="there is GET /v2/models/iris, POST /v2/models/iris"):
        find("PUT", "/v2/models/iris")


def test_a_long_path_is_not_echoed_whole() -> None:
    with pytest.raises(PathNotFound) as caught:
        find("GET", "/" + "x" * 9000)
    assert len(str(caught.value)) < 300
