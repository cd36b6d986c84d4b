"""A rollout on two machines: a server of which one process fills a machine, and two workers."""

import json
import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from serval.fleets.canaries import read_holders
from tests.local.conftest import LocalStage
from tests.local.fleet_caller import Caller, until
from tests.local.fleet_models.bundles import write_boxed

pytestmark = pytest.mark.soak
MODEL, FLEET = "split", "twins"
TEXTS = {"1": "first", "2": "second", "3": "third"}
CALLERS, PAUSE_SECONDS = 6, 0.1


@dataclass
class Load:
    """Submits requests, and follows each to its end, until it is told to stop."""

    caller: Caller
    answers: list[dict[str, Any]] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def running(self) -> Iterator["Load"]:
        threads = [threading.Thread(target=self._call) for _ in range(CALLERS)]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self.stop.set()
            for thread in threads:
                thread.join()

    def versions(self, since: int) -> Counter[str]:
        return Counter(answer["version"] for answer in self.answers[since:])

    def await_version(self, version: str, since: int) -> None:
        until(f"an answer of version {version}", lambda: self.versions(since)[version])

    def _call(self) -> None:
        body = {"name": "body", "datatype": "BYTES", "shape": [1], "data": ["hi"]}
        kind = {"name": "content_type", "datatype": "BYTES", "shape": [1], "data": ["text/plain"]}
        while not self.stop.is_set():
            ended = self.caller.submit(MODEL, {"inputs": [body, kind]}, prefer="wait=20").json()
            if ended["finished"] is None:  # there are places for so many to wait, and no more
                ended = self.caller.ended(ended["id"])
            assert ended["status"] == "succeeded", ended
            said = json.loads(ended["response"]["outputs"][0]["data"][0])
            self.answers.append({**ended, "text": said["text"]})
            self.stop.wait(PAUSE_SECONDS)


def push(caller: Caller, folder: Path, version: str, *options: str) -> None:
    bundle = write_boxed(folder / version, TEXTS[version], MODEL, FLEET)
    caller.stage.serval("push", str(bundle), *options)


def holders(caller: Caller) -> tuple[str, ...]:
    named = read_holders(caller.state(FLEET).holders).get(MODEL)
    return named.workers if named else ()


def test_shares_are_those_of_two_machines_and_a_rollback_loses_nothing_when_one_is_killed(
    stage: LocalStage, api_key: str, tmp_path: Path
) -> None:
    headers = {"x-api-key": api_key}
    with httpx.Client(base_url=stage.api_url, headers=headers, timeout=300) as client:
        roll_out(Caller(stage, client), tmp_path)


def roll_out(caller: Caller, tmp_path: Path) -> None:
    route = caller.stage.registry().route
    push(caller, tmp_path, "1", "--wait")
    with Load(caller).running() as load:
        load.await_version("1", 0)
        push(caller, tmp_path, "2", "--no-wait")
        until("its share", lambda: route(MODEL).percent == 10)
        shown = caller.stage.serval("rollout", MODEL)
        assert "on two machines: a process of its inference server holds one version" in shown
        load.await_version("2", 0)
        assert caller.state(FLEET).machines == 2
        shares = []
        for percent, after in ((10, 50), (50, 100)):
            since = len(load.answers)
            until(
                f"the step after {percent} %",
                lambda after=after: route(MODEL).percent == after or route(MODEL).stable == "2",
            )
            answers = load.versions(since)
            shares.append(answers["2"] / answers.total())
        print(f"shares of the candidate: {shares}")
        until("the end of the rollout", lambda: route(MODEL).stable == "2")
        assert 0.03 < shares[0] < 0.25 < shares[1] < 0.75, shares
        until("only the new version answers", lambda: set(load.versions(-30)) == {"2"})

        since = len(load.answers)
        push(caller, tmp_path, "3", "--no-wait")
        load.await_version("3", since)
        [holder] = holders(caller)
        [victim] = [
            one["pid"] for one in caller.workers(FLEET) if holder.startswith(f"{one['worker']}-")
        ]
        os.kill(victim, signal.SIGKILL)
        caller.stage.serval("rollback", MODEL)
        until("only the old version answers", lambda: set(load.versions(-30)) == {"2"})
    wrong = [each for each in load.answers if TEXTS[each["version"]] != each["text"]]
    assert not wrong, wrong
    assert len({answer["id"] for answer in load.answers}) == len(load.answers)
