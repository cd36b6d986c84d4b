"""``serval fleets``, ``pause`` and ``resume``: what machines there are, and what waits for them."""

from dataclasses import replace

import pytest

from serval.models.deployed_fleets import Fleets
from tests.fakes.fleet_stage import FleetStage


@pytest.fixture
def user(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> FleetStage:
    """Build a user at a terminal."""
    return FleetStage(monkeypatch, capsys)


def test_a_fleet_says_what_it_has_and_what_is_asked_of_it(user: FleetStage) -> None:
    user.awake(reason="2 machines hold the target", capacity="on-demand", paused=("resnet",))
    user.worker("w1", "CUDA", completed=7, holding=2, loaded=("textgen:3",))
    user.ask("r1", age_seconds=90)
    user.ask("r2", age_seconds=30, status="running", lease_until="2999-01-01T00:00:00.000Z")
    user.ask("r3", age_seconds=500, model="resnet")
    user.dead("r4", "out of memory")

    value = user.serval("fleets", "--json").value

    fleet = value["fleets"][0]
    assert (value["stage"], fleet["name"], fleet["kind"]) == ("local", "gpu", "spot")
    assert (fleet["machines"], fleet["present"], fleet["maximum"]) == (2, 1, 4)
    assert fleet["capacity"] == "on-demand"
    assert (fleet["open"], fleet["waiting"], fleet["running"]) == (3, 1, 1)
    assert 89 <= fleet["oldest_age_seconds"] <= 120, "a paused model's requests are not late"
    assert fleet["models"] == [
        {
            "model": "textgen",
            "open": 2,
            "queued": 1,
            "in_flight": 0,
            "dead_letters": 1,
            "paused": False,
        },
        {
            "model": "resnet",
            "open": 1,
            "queued": 1,
            "in_flight": 0,
            "dead_letters": 0,
            "paused": True,
        },
    ]
    [worker] = fleet["workers"]
    assert (worker["worker"], worker["runs_on"], worker["loaded"]) == ("w1", "CUDA", ["textgen:3"])


def test_people_see_what_stands_in_for_what(user: FleetStage) -> None:
    user.awake(reason="2 machines hold the target", paused=("resnet",))
    user.worker("w1", "CPU (stands in for nvidia)", draining=True)
    user.ask("r1", age_seconds=600)

    out = user.serval("fleets").out

    for said in (
        "CPU (stands in for nvidia)",
        "1 of 2 (0 to 4)",
        "10 min (target 60 s)",
        "0, draining",
        "paused",
        "gpu: 2 machines hold the target",
        "asleep (0 to 2)",
    ):
        assert said in out, said


def test_an_endpoint_has_its_instances(user: FleetStage) -> None:
    user.awake("managed", machines=1)
    user.instances = 2
    fleet = user.serval("fleets", "--json").value["fleets"][1]
    assert (fleet["name"], fleet["present"], fleet["capacity"]) == ("managed", 2, "on-demand")


def test_a_stage_without_fleets_says_what_makes_one(user: FleetStage) -> None:
    user.fleets = Fleets({})
    assert user.serval("fleets", "--json").value["fleets"] == []
    assert "fleets.yaml make one at the next deploy" in " ".join(user.serval("fleets").out.split())


def test_a_paused_model_waits_until_it_is_resumed(user: FleetStage) -> None:
    user.ask("r1")
    user.ask("r2", status="running")

    paused = user.serval("pause", "textgen", "--json").value

    assert paused == {
        "model": "textgen",
        "fleet": "gpu",
        "paused": True,
        "open": 2,
        "running": 1,
        "machines": 0,
    }
    assert user.fleet_states.find("gpu").paused == ("textgen",)
    assert user.enabled == [], "what waits wakes no machine"

    resumed = user.serval("resume", "textgen")

    assert "textgen goes on: 2 open requests; fleet gpu is woken within a minute" in resumed.out
    assert user.fleet_states.find("gpu").paused == ()
    assert user.enabled == ["serval-local-tick"]


def test_pausing_says_what_goes_on(user: FleetStage) -> None:
    user.ask("r1")
    out = user.serval("pause", "textgen").out
    assert "of 1 open requests 0 run and end, the others wait, and so do new ones" in out
    assert "`serval resume textgen` lets it go on" in out


def test_pausing_twice_is_pausing_once(user: FleetStage) -> None:
    user.serval("pause", "textgen")
    before = user.fleet_states.find("gpu")
    assert user.serval("pause", "textgen", "--json").value["paused"]
    assert user.fleet_states.find("gpu") == before


@pytest.mark.parametrize("words", [("pause",), ("resume",)])
def test_a_model_that_runs_on_no_fleet_is_told_apart(
    user: FleetStage, words: tuple[str, ...]
) -> None:
    failure = user.serval(*words, "iris").failure
    assert "model 'iris' runs on no fleet of stage 'local', so it has no queue to pause" in failure
    assert "the fleet models are: textgen, resnet, vision; `serval fleets` shows them" in failure
    user.fleets = Fleets({"gpu": replace(user.fleets.by_name["gpu"], models=())})
    assert "the fleet models are: none" in user.serval(*words, "iris").failure
