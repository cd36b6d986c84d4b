"""Workers reclaimed one after another under the same request."""

import os
import signal

import pytest

from serval.requests.request import AsyncRequest
from tests.local.fleet_caller import Caller, answered, asked, until
from tests.stateful.extent import TIMES

RECLAIMS = 20 if TIMES > 1 else 4
LONG = 1_500.0
"""Asked of ``slow``, it takes seconds: longer than a worker that is reclaimed lets a run go on."""


@pytest.mark.soak
def test_many_reclaims_in_a_row_charge_nobody_an_attempt(caller: Caller) -> None:
    row = reclaimed(caller)
    print(f"\n{RECLAIMS} reclaims in a row: {row.attempt} runs begun, {row.attempts} charged")
    assert (row.attempt, row.attempts) == (RECLAIMS + 1, 1)


def reclaimed(caller: Caller) -> AsyncRequest:
    """Reclaim whichever worker runs a request: the other goes on with it, or begins again."""
    caller.set_machines("sleepy", 2)
    caller.ready("sleepy", workers=2)
    request = caller.submitted("slow", asked(LONG, 2))
    runners: list[str] = []

    def begun_elsewhere() -> str | None:
        runner = caller.row(request).runner
        return runner if runner not in runners else None

    while len(runners) <= RECLAIMS:
        runners.append(until("another worker runs it", begun_elsewhere))
        assert caller.row(request).attempts == 1
        if len(runners) <= RECLAIMS:
            os.kill(pid_of(caller, runners[-1]), signal.SIGTERM)
    assert answered(caller.ended(request)) == [LONG, 2]
    return caller.row(request)


def pid_of(caller: Caller, runner: str) -> int:
    """Give the process of a worker by the id that it has in a row."""
    name = runner.rpartition("-")[0]
    (worker,) = (one for one in caller.workers("sleepy") if one["worker"] == name)
    return int(worker["pid"])
