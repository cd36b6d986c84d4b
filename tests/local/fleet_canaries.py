"""Rollouts of fleet models, each under a load of its own."""

import itertools
import json
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from serval.aws.dynamodb.registry import DynamoDBRegistry
from serval.models.registry import Rollout
from tests.local.fleet_caller import Caller, answered, asked, until
from tests.local.fleet_models.bundles import FleetModel, write_bundle
from tests.local.fleet_models.graphs import linear, unlucky

FLEET = "pair"
GOOD, BAD = "rolled", "rolled-back"
CALLERS, PAUSE_SECONDS = 4, 0.25


class Load:
    """Submits requests of a model and follows each to its end, until it is told to stop."""

    def __init__(self, caller: Caller, model: str) -> None:
        self.caller, self.model = caller, model
        self.answers: list[dict[str, Any]] = []
        self.numbers = itertools.count(1)
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=self._call) for _ in range(CALLERS)]

    def __enter__(self) -> "Load":
        for thread in self.threads:
            thread.start()
        until("the load is steady", lambda: len(self.answers) > 30)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def versions(self) -> Counter[str]:
        return Counter(answer["version"] for answer in self.answers)

    def wrong(self) -> list[dict[str, Any]]:
        """List the answers that are not what their version gives."""
        return [answer for answer in self.answers if answer["got"] != answer["right"]]

    def _call(self) -> None:
        while not self.stop.is_set():
            x = float(next(self.numbers) % 100 + 1)
            answer = self.caller.submit(self.model, asked(x, x), prefer="wait=20").json()
            if answer["finished"] is None:  # there are places for so many to wait, and no more
                answer = self.caller.ended(answer["id"])
            right = [x + {"1": 1.0, "2": 10.0}[answer["version"]]] * 2
            got = answered(answer) if answer["status"] == "succeeded" else []
            self.answers.append({**answer, "right": right, "got": got})
            self.stop.wait(PAUSE_SECONDS)


def verdict(caller: Caller, name: str, model: FleetModel) -> Rollout:
    """Publish a version and wait for what becomes of it."""
    folder = write_bundle(caller.stage.state / "bundles" / name, name, model)
    upload = json.loads(caller.stage.serval("push", str(folder), "--no-wait", "--json"))["upload"]
    registry = DynamoDBRegistry(caller.table("RegistryTableName"))

    def ended() -> Rollout | None:
        known = registry.rollout(name, upload)
        return known if known is not None and known.ended else None

    return until(f"a verdict on {name}", ended)


@dataclass(frozen=True)
class FleetCanaries:
    """Two rollouts at once: one candidate is good, the other fails one request in four.

    So of the sixty that it gets on a busy machine some fail.
    """

    good: Load
    bad: Load
    promoted: Rollout
    rolled_back: Rollout

    @classmethod
    def run(cls, caller: Caller) -> "FleetCanaries":
        caller.ready(FLEET, workers=2)
        with Load(caller, GOOD) as good, Load(caller, BAD) as bad, ThreadPoolExecutor(2) as pool:
            promoting = pool.submit(verdict, caller, GOOD, FleetModel(linear(1, 10), FLEET))
            failing = pool.submit(verdict, caller, BAD, FleetModel(unlucky(10), FLEET))
            promoted, rolled_back = promoting.result(), failing.result()
            until(
                "only the new version answers, once routes are read again",
                lambda: {answer["version"] for answer in good.answers[-30:]} == {"2"},
            )
        return cls(good, bad, promoted, rolled_back)
