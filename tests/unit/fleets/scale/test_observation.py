"""What a tick sees of a fleet."""

from dataclasses import replace

from serval.fleets.scale.observation import observe
from serval.requests.request import OpenRequest
from tests.fakes.fleets import at, moment, worker


def request(**members: str) -> OpenRequest:
    plain = OpenRequest(
        id="r1", model="textgen", fleet="gpu", status="queued", created=at(0), updated=at(0)
    )
    return replace(plain, **members)  # type: ignore[arg-type]


def test_the_oldest_one_that_waits_gives_the_age() -> None:
    running = request(status="running", created=at(0), lease_until=at(200))

    seen = observe([request(created=at(60)), request(created=at(40)), running], [], moment(100))

    assert (seen.waiting, seen.running, seen.open) == (2, 1, 3)
    assert seen.oldest_age_seconds == 60.0


def test_a_request_waits_whose_runner_is_taken_to_be_dead() -> None:
    lost = request(status="running", created=at(10), lease_until=at(90))

    seen = observe([lost], [], moment(100))

    assert (seen.waiting, seen.running, seen.oldest_age_seconds) == (1, 0, 90.0)


def test_nothing_open_is_of_no_age() -> None:
    seen = observe([], [], moment(100))

    assert (seen.open, seen.oldest_age_seconds) == (0, 0.0)


def test_a_clock_that_lags_behind_the_submitter_s_makes_no_negative_age() -> None:
    assert observe([request(created=at(101))], [], moment(100)).oldest_age_seconds == 0.0


def test_a_worker_that_is_being_stopped_is_not_present() -> None:
    listed = [worker("w1", holding=2), worker("w2"), worker("w3", holding=1, draining=True)]

    seen = observe([], listed, moment(0))

    assert [each.worker for each in seen.present] == ["w1", "w2"]
    assert seen.busy == 1
