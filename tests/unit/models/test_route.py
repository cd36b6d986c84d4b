"""Routes: shares follow the percent, and a key moves forward at most once."""

from hypothesis import given
from hypothesis import strategies as st

from serval.models.route import Route


def test_without_a_candidate_all_traffic_is_stable() -> None:
    assert {Route("1").version_for(str(n)) for n in range(100)} == {"1"}


def test_the_share_of_keys_follows_the_percent() -> None:
    for percent in (10, 50, 90):
        route = Route("1", "2", percent, "r")
        share = sum(route.version_for(str(n)) == "2" for n in range(10_000)) / 100
        assert abs(share - percent) < 2


@given(st.text(), st.text(max_size=10), st.integers(0, 100), st.integers(0, 100))
def test_a_key_moves_forward_at_most_once(key: str, rollout: str, first: int, second: int) -> None:
    low, high = sorted((first, second))
    if Route("1", "2", low, rollout).track_for(key) == "candidate":
        assert Route("1", "2", high, rollout).track_for(key) == "candidate"


@given(st.text())
def test_at_a_hundred_percent_every_key_is_the_candidates(key: str) -> None:
    assert Route("1", "2", 100, "r").version_for(key) == "2"
