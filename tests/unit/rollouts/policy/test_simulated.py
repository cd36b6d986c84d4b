"""The policy over some hundred seeded rollouts; ``benchmarks.rollout_policy`` does a thousand."""

import pytest

from benchmarks.rollout_policy import CANDIDATES, MINUTELY, Candidate, share, simulate

pytestmark = pytest.mark.slow

ROLLOUTS = 200


@pytest.mark.parametrize(
    "bad",
    [
        Candidate("5 % errors", errors=0.05),
        Candidate("2 times slower", slowness=2.0),
        Candidate("5 % errors, little traffic", errors=0.05, requests_per_second=0.5),
        Candidate("20 % errors, one request a minute", errors=0.2, requests_per_second=MINUTELY),
    ],
)
def test_a_bad_candidate_is_rolled_back(bad: Candidate) -> None:
    assert share(simulate(bad, ROLLOUTS), "rolled back") >= 99


@pytest.mark.parametrize(
    "good",
    [
        Candidate("as good"),
        Candidate("0.3 % errors", errors=0.003),
        Candidate("0.3 % errors, little traffic", errors=0.003, requests_per_second=0.5),
    ],
)
def test_a_good_candidate_is_seldom_rolled_back(good: Candidate) -> None:
    outcomes = simulate(good, ROLLOUTS)
    assert share(outcomes, "rolled back") <= 5
    assert share(outcomes, "promoted") >= 95


def test_one_request_a_minute_tells_a_bad_candidate_from_a_good_one_within_a_day() -> None:
    bad = simulate(Candidate("5 % errors", errors=0.05, requests_per_second=MINUTELY), ROLLOUTS)
    good = simulate(Candidate("as good", requests_per_second=MINUTELY), ROLLOUTS)
    assert share(bad, "rolled back") >= 95
    assert share(good, "promoted") >= 99
    assert max(outcome.seconds for outcome in (*bad, *good)) < 86_400


def test_no_traffic_ends_as_the_bundle_says() -> None:
    promote, hold = (candidate for candidate in CANDIDATES if not candidate.requests_per_second)
    assert share(simulate(hold, 2), "held") == 100
    assert share(simulate(promote, 2), "promoted") == 100


def test_the_same_seed_gives_the_same_outcomes() -> None:
    candidate = Candidate("1.1 % errors", errors=0.011)
    assert simulate(candidate, 20) == simulate(candidate, 20)
    assert simulate(candidate, 20) != simulate(candidate, 20, seed=1)
