"""Durable pipelines while workers and functions are killed at random: each answers, each step once.

Whoever works for them is a process of its own here: SIGKILL ends it wherever it is.
"""

import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta

import psutil
import pytest

from serval.aws.dynamodb.step_records import StepRecordTable
from serval.clock import timestamp, utc_now
from serval.requests.ids import row_id
from serval.requests.request import AsyncRequest
from tests.fakes.inference import plus
from tests.local.conftest import LocalStage
from tests.local.fleet_caller import Caller, asked, until
from tests.stateful.extent import TIMES

PIPELINE = """
name: patient
inputs: [{name: x, datatype: FP32, shape: [-1, 2]}]
steps:
  - {name: first, model: adds-two}
  - {name: heavy, model: slow, input: {x: first.y}}
  - {name: told, rule: '{"is": heavy.y[0], "was": x[0]}'}
output: told
rollout: {steps_percent: [100], bake_seconds: 0}
"""
STEPS = ("first", "heavy", "told")
SOAKS = TIMES > 1
PIPELINES = 25 * TIMES if SOAKS else 8
THOUSANDS = 25.0 if SOAKS else 250.0
"""Of turns that the step on the fleet takes for each: 4 ms of a worker."""
SEED = int(os.environ.get("SERVAL_SEED", str(time.time_ns() % 1_000_000)))
FLEET = "sleepy"
WORKER = "worker"
TARGETS = ("proceed", "proceed", "proceed", "answer", "callback", WORKER)
"""Who is killed, as often as it stands here."""
QUICK = TARGETS[:4]
"""Those whose work comes again within seconds; a worker's does after one minute, and that of
``callback`` after three.
"""
SPACING = 16 if SOAKS else 4
"""Of strikes: as many requests, of pipelines and of their steps, end in between at most. By the
clock, a busy machine would do nothing but begin again.
"""
LOOK_SECONDS = (4.0, 8.0) if SOAKS else (0.2, 1.0)
"""Between two looks, each of which takes a core from what it looks at."""
LOST = timedelta(seconds=90 if SOAKS else 10)
"""Whose message has not come by then was killed with it: the sweep would send another."""
SWEPT = timedelta(minutes=11)
"""How old what the sweep picks up is made."""
AGE = {"queued": "updated", "running": "lease_until"}
"""Since when a request waits for a message, by its status; one that has ended, since then."""
LONGEST_SECONDS = 1_500.0 if SOAKS else 600.0


@pytest.fixture(scope="module")
def pipeline(stage: LocalStage, caller: Caller) -> None:
    """Publish a model on Lambda, and a pipeline over it and a model on a fleet."""
    stage.publish("adds-two", plus(2), "FP32")
    folder = stage.state / "bundles" / "patient"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pipeline.yaml").write_text(PIPELINE)
    stage.serval("push", str(folder), "--wait")


@dataclass
class Fire:
    """Kills processes of the stage, one at a time, as its dice fall."""

    caller: Caller
    requests: Sequence[str]
    dice: random.Random = field(default_factory=lambda: random.Random(SEED))
    killed: Counter[str] = field(default_factory=Counter)
    swept: int = 0
    """Messages that a sweep sent."""

    @property
    def work(self) -> Sequence[str]:
        """Ids of the requests that the steps make."""
        return [row_id("slow", f"{request}/heavy/0") for request in self.requests]

    def burn(self) -> None:
        """Strike again and again until all requests have ended."""
        until("a worker is killed at work", self._strike_a_worker)
        due, deadline = 0, time.monotonic() + LONGEST_SECONDS
        while open_ones := self._still_open():
            assert time.monotonic() < deadline, open_ones
            if self._ended() >= due:
                self._strike(self.dice.choice(TARGETS if SOAKS else QUICK))
                due += self.dice.randint(1, SPACING)
            time.sleep(self.dice.uniform(*LOOK_SECONDS))

    def _still_open(self) -> Collection[str]:
        """Name the requests that have not ended; let ten minutes pass for what is lost of them."""
        rows = self.caller.store.find_all([*self.requests, *self.work])
        if sum(map(self._age, rows.values())):
            swept = self.caller.invoke("sweep")
            self.swept += sum(swept["sent"].values()) + swept["called"]
        return [one for one in self.requests if one not in rows or rows[one].open]

    def _age(self, row: AsyncRequest) -> bool:
        """Make a request so old that the sweep takes it up, if its message must be lost."""
        if not (row.open or row.callback_due):
            return False
        since = row.lease_until if row.status == "running" else row.updated
        lost, old = timestamp(utc_now() - LOST), timestamp(utc_now() - SWEPT)
        if (since or row.updated) >= lost:
            return False
        aged = {"updated": old, AGE.get(row.status, "finished"): old}
        return self.caller.store.save(row, replace(row, **aged))

    def _ended(self) -> int:
        """Count the requests that have ended, those of steps too."""
        rows = self.caller.store.find_all([*self.requests, *self.work])
        return sum(not row.open for row in rows.values())

    def _strike(self, target: str) -> None:
        """Kill a process of a function, or a worker."""
        if target == WORKER:
            self._strike_a_worker()
        else:
            self._kill(target, self._environments(target))

    def _strike_a_worker(self) -> bool:
        """Kill a worker; return whether that was in the middle of a step's request."""
        listed = self.caller.store.of_model("slow", PIPELINES)
        busy = next((one.id for one in listed if one.status == "running"), "")
        row = self.caller.store.find(busy) if busy else None
        if row is None or not row.runner:
            return False
        self._kill(WORKER, self._workers(row.runner))
        after = self.caller.store.find(busy)
        return after is not None and (after.runner, after.attempt) == (row.runner, row.attempt)

    def _kill(self, target: str, processes: Sequence[int]) -> None:
        if processes:
            with suppress(ProcessLookupError):
                os.kill(self.dice.choice(processes), signal.SIGKILL)
                self.killed[target] += 1

    def _workers(self, runner: str) -> list[int]:
        """Give the process of a worker, by the id that it has in a row."""
        worker = runner.rpartition("-")[0]
        return [one["pid"] for one in self.caller.workers(FLEET) if one["worker"] == worker]

    def _environments(self, function: str) -> list[int]:
        """List the processes of a function of this stage."""
        of_stage = self.caller.stage.state / "temporary" / "ministack-lambda"
        mark = f"{of_stage}-{self.caller.functions[function]}-"
        return [each.pid for each in psutil.process_iter() if mark in command_of(each)]


def command_of(process: psutil.Process) -> str:
    """Give the command line of a process, which may have ended."""
    with suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""


def runs_of_steps(caller: Caller, requests: Sequence[str]) -> Mapping[str, Collection[str]]:
    """Give what runs of steps have written, by their request: a run has a key of its own."""
    found: dict[str, set[str]] = {request: set() for request in requests}
    pages = caller.stage.client("s3").get_paginator("list_objects_v2")
    for page in pages.paginate(Bucket=caller.stage.data_bucket, Prefix="async/"):
        for one in page.get("Contents", []):
            _, request, what, *_ = one["Key"].split("/")
            if what == "steps" and request in found:
                found[request].add(one["Key"])
    return found


@pytest.mark.soak
def test_every_request_is_answered_and_every_step_counts_once(
    caller: Caller, pipeline: None
) -> None:
    caller.set_machines(FLEET, 2)
    caller.ready(FLEET, workers=2)
    print(f"\nSERVAL_SEED={SEED}")
    name = f"fire-{time.time_ns():x}"
    inputs = {f"{name}-{n:03d}": (THOUSANDS - 2, -float(n)) for n in range(PIPELINES)}
    requests = [row_id("patient", one) for one in inputs]
    fire, began = Fire(caller, requests), utc_now()
    with ThreadPoolExecutor(8) as pool:
        sent = [pool.submit(caller.put, one, "patient", asked(*inputs[one])) for one in inputs]
        fire.burn()
        assert {each.result().status_code for each in sent} <= {200, 202}
    took = (utc_now() - began).total_seconds()

    rows = caller.store.find_all(requests)
    assert Counter(row.status for row in rows.values()) == {"succeeded": PIPELINES}
    for one, (x, y) in inputs.items():
        [output] = json.loads(caller.data.get(rows[row_id("patient", one)].response_key))["outputs"]
        assert json.loads(output["data"][0]) == {"is": [x + 2, y + 2], "was": [x, y]}

    records = StepRecordTable(caller.table("RequestsTableName"))
    runs, unrecorded = runs_of_steps(caller, requests), Counter[str]()
    for request in requests:
        steps = records.read(request).values()
        assert {one.name: one.status for one in steps} == dict.fromkeys(STEPS, "succeeded")
        kept = {one.value_key for one in steps}
        assert kept <= runs[request]
        unrecorded.update(key.rpartition("/")[2].partition("-")[0] for key in runs[request] - kept)
    work = caller.store.find_all(fire.work)
    begun = Counter(row.attempt for row in work.values())
    attempts = Counter(row.attempt for row in rows.values())
    print(
        f"{PIPELINES} pipelines in {took:.0f} s; killed: {dict(fire.killed)}, messages of a sweep:"
        f" {fire.swept}\n  by attempts: {dict(attempts)}, by runs of the step on the fleet:"
        f" {dict(begun)}; runs that were not recorded: {dict(unrecorded)}"
    )
    # Whoever is killed may have run one step that was not recorded then, and no other runs again.
    assert unrecorded.total() <= fire.killed["proceed"]
    assert Counter(row.status for row in work.values()) == {"succeeded": PIPELINES}
    since = [
        one
        for one in caller.store.of_model("slow", 2 * PIPELINES)
        if one.created >= timestamp(began)
    ]
    assert len(since) == PIPELINES
    assert 1 <= sum(row.attempt - 1 for row in work.values()) <= 2 * fire.killed[WORKER]
