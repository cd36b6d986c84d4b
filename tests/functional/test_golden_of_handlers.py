"""The golden check of custom Python that a fleet is to run, by a function that has its packages."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from serval.handlers.declaration import MIB, HandlerLimits
from serval.handlers.deployed import DeployedPackages
from serval.handlers.opening import HandlerOpening
from tests.fakes.golden import Bench
from tests.fakes.secrets import InMemorySecrets
from tests.functional.test_golden import passed, refused
from tests.functional.test_golden_on_fleets import CPU, GPU, NOTHING

DOUBLING = b"""
class EndpointHandler:
    def __init__(self, path=""):
        pass

    def __call__(self, data):
        return {"doubled": data["inputs"] * 2}
"""
LOADING = DOUBLING.replace(b"        pass", b"        %s")
CANARY = "; the first canary step is the check"


def line(given: int, doubled: int) -> bytes:
    pair = {"body": {"inputs": given}, "answer": {"doubled": doubled}}
    return json.dumps(pair).encode() + b"\n"


@dataclass
class StandIn:
    """The function ``golden-iris``, deployed with the packages of an empty lock."""

    bench: Bench
    folder: Path
    load_seconds: float = 20.0

    def check(
        self,
        code: bytes,
        golden: bytes | None,
        fleet: dict[str, str] | None = CPU,
        *,
        pins: bytes = b"",
    ) -> dict[str, Any]:
        deployed = self.folder / "handler"
        (deployed / "packages").mkdir(parents=True)
        (deployed / "requirements.lock").write_bytes(pins)
        limits = HandlerLimits(160 * MIB, self.load_seconds, 5, MIB)
        packages = DeployedPackages(deployed).of
        opening = HandlerOpening(packages, self.bench.log.append, InMemorySecrets(), limits)
        self.bench.open_handler = opening.open
        return self.bench.check.check(self.bench.handler_event(code, golden, fleet))


@pytest.fixture
def stand_in(tmp_path: Path) -> StandIn:
    return StandIn(Bench(tmp_path), tmp_path / "deployed")


def test_a_right_answer_passes_and_says_where_it_was_given(stand_in: StandIn) -> None:
    report = passed(stand_in.check(DOUBLING, line(2, 4) + line(3, 6)))
    assert (report["largest_difference"], report["requests"]) == (0.0, 2)
    [note] = report["notes"]
    assert note.startswith("checked on Lambda's CPU, which stands in for fleet 'cpu': ")


def test_a_wrong_answer_is_refused_before_the_fleet_has_the_version(stand_in: StandIn) -> None:
    [reason] = refused(stand_in.check(DOUBLING, line(2, 4) + line(3, 7)))
    assert reason == "golden.jsonl line 2: answer['doubled']: 6 given, 7 expected"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (LOADING % b"import no_such_package", "ModuleNotFoundError"),
        (DOUBLING.replace(b'data["inputs"]', b'data["input"]'), "KeyError"),
    ],
)
def test_what_its_code_raises_is_refused_too(stand_in: StandIn, code: bytes, words: str) -> None:
    [reason] = refused(stand_in.check(code, line(2, 4)))
    assert words in reason


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (LOADING % b"self.held = bytearray(500 << 20)", "raised MemoryError in line 4"),
        (DOUBLING.replace(b"{", b'{"x": len(bytearray(250 << 20)), '), "took more than 160 MiB"),
        (LOADING % b"import time; time.sleep(60)", "had no answer within 1 s"),
    ],
)
def test_what_a_fleet_may_have_room_and_time_for_is_not_refused(
    stand_in: StandIn, code: bytes, words: str
) -> None:
    stand_in.load_seconds = 1.0 if "answer" in words else 20.0
    [note] = passed(stand_in.check(code, line(2, 4)))["notes"]
    assert words in note
    assert note.startswith("not checked before it gets traffic: on Lambda's CPU, which stands in")
    assert note.endswith(CANARY)


def test_a_lock_that_no_deploy_has_seen_is_not_checked(stand_in: StandIn) -> None:
    report = passed(stand_in.check(DOUBLING, line(2, 5), pins=b"numpy==2.0.0\n"))
    assert report == NOTHING | {
        "notes": [
            "not checked before it gets traffic: its lock is not the one that the function was "
            "deployed with that checks it" + CANARY
        ]
    }


def test_where_there_is_an_accelerator_its_code_may_need_that(stand_in: StandIn) -> None:
    [note] = passed(stand_in.check(DOUBLING, line(2, 5), GPU))["notes"]
    assert "handler.py may need what fleet 'gpu' (nvidia) has" in note


def test_without_golden_requests_nothing_is_loaded(stand_in: StandIn) -> None:
    [note] = passed(stand_in.check(LOADING % b"raise OSError", None))["notes"]
    assert "the bundle has no golden requests" in note


def test_on_lambda_other_packages_are_refused(stand_in: StandIn) -> None:
    [reason] = refused(stand_in.check(DOUBLING, line(2, 4), None, pins=b"numpy==2.0.0\n"))
    assert "is not the one that the function was deployed with" in reason


def test_a_function_without_its_packages_checks_none(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    [note] = passed(bench.check.check(bench.handler_event(DOUBLING, line(2, 5), CPU)))["notes"]
    assert "packages of its own, which are on fleet 'cpu' alone" in note
