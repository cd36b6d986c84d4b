"""A candidate of a fleet model gets its share of the requests, and is judged as any other."""

import itertools
import json
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from serval.aws.registry import DynamoDBRegistry
from serval.registry import Rollout
from tests.local.fleet_caller import Caller, asked, until
from tests.local.fleet_models.bundles import FleetModel, write_bundle
from tests.local.fleet_models.graphs import linear, unlucky

MODEL, FLEET = "rolled", "pair"
CALLERS = 3


class Load:
    """Submits requests and follows each to its end, until it is told to stop."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.answers: list[dict[str, Any]] = []
        self.numbers = itertools.count(1)
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=self._call) for _ in range(CALLERS)]

    def __enter__(self) -> "Load":
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def versions(self) -> Counter[str]:
        return Counter(answer["version"] for answer in self.answers)

    def _call(self) -> None:
        while not self.stop.is_set():
            x = float(next(self.numbers) % 100 + 1)
            reply = self.caller.submit(MODEL, asked(x, x), prefer="wait=20")
            answer = reply.json()
            addends = {"1": 1.0, "2": 10.0, "3": 100.0}
            right = [x + addends.get(answer["version"], 0.0)] * 2
            given = answer.get("response", {}).get("outputs", [{}])[0].get("data")
            self.answers.append({**answer, "right": given == right})


@pytest.fixture
def under(caller: Caller) -> Iterator[Load]:
    caller.ready(FLEET, workers=2)
    with Load(caller) as load:
        until("the load is steady", lambda: len(load.answers) > 30)
        yield load


def verdict(caller: Caller, model: FleetModel) -> Rollout:
    """Publish a version and wait for what becomes of it."""
    folder = write_bundle(caller.stage.state / "bundles" / MODEL, MODEL, model)
    upload = json.loads(caller.stage.serval("push", str(folder), "--no-wait", "--json"))["upload"]
    registry = DynamoDBRegistry(caller.table("RegistryTableName"))

    def ended() -> Rollout | None:
        known = registry.rollout(MODEL, upload)
        return known if known is not None and known.ended else None

    return until("a verdict", ended, seconds=240)


def test_a_good_candidate_is_promoted_by_what_workers_measure(caller: Caller, under: Load) -> None:
    shown = verdict(caller, FleetModel(linear(1, 10), FLEET))
    assert shown.status == "promoted", shown.reason

    def new_alone() -> bool:
        return {answer["version"] for answer in under.answers[-30:]} == {"2"}

    until("only the new version answers, once routes are read again", new_alone, seconds=20)
    print(f"\n{shown.reason}; answers by version {dict(under.versions())}")
    assert all(answer["right"] for answer in under.answers)


def test_a_candidate_that_fails_is_rolled_back_and_no_request_fails(
    caller: Caller, under: Load
) -> None:
    shown = verdict(caller, FleetModel(unlucky(100), FLEET))
    assert shown.status == "rolled back", shown.reason
    print(f"\n{shown.reason}; answers by version {dict(under.versions())}")
    assert "errors: " in shown.reason
    assert {answer["status"] for answer in under.answers} == {"succeeded"}
    assert all(answer["right"] for answer in under.answers)
    assert "3" in under.versions()
