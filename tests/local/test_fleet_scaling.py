"""A fleet that sleeps is woken by a request, and goes to sleep again when nobody asks."""

from dataclasses import replace
from datetime import timedelta

import pytest

from serval.clock import timestamp, utc_now
from serval.models.resource_names import tick_rule_name
from tests.local.fleet_caller import Caller, answered, asked, divided, until

FLEET = "sleepy"


@pytest.fixture(autouse=True)
def asleep(caller: Caller) -> None:
    caller.set_machines(FLEET, 0)
    until("nobody works", lambda: not caller.workers(FLEET))


def ticks(caller: Caller) -> str:
    events = caller.stage.client("events")
    return str(events.describe_rule(Name=tick_rule_name("local"))["State"])


def long_idle(caller: Caller) -> str:
    """Let a tick come after an hour without work, be it the stage's own; return its reason."""
    caller.change(FLEET, idle_since=timestamp(utc_now() - timedelta(hours=1)))
    caller.invoke("tick")
    return caller.state(FLEET).reason


def test_from_zero_to_one_and_back_to_zero(caller: Caller) -> None:
    assert caller.state(FLEET).machines == 0
    request = caller.submitted("drowsy", asked(1, 2))
    assert caller.state(FLEET).machines == 1
    assert ticks(caller) == "ENABLED"
    assert answered(caller.ended(request)) == [4, 8]
    told = {fleet["fleet"]: fleet for fleet in caller.invoke("tick")["fleets"]}
    assert told[FLEET]["machines"] == 1
    until("its worker has told that it is idle", lambda: "nothing asked" in long_idle(caller))
    assert caller.state(FLEET).machines == 0
    until("its worker has gone", lambda: not caller.workers(FLEET))
    until("it has said goodbye", lambda: not caller.fleets.workers(FLEET))


def test_what_waits_too_long_gets_more_machines(caller: Caller) -> None:
    caller.set_machines(FLEET, 1)
    caller.ready(FLEET, workers=1)
    # Paused meanwhile: a fast worker had answered all of them before the tick looked.
    caller.change(FLEET, paused=("slow",))
    caller.obeyed(FLEET)
    requests = [caller.submitted("slow", asked(100 + number, 2)) for number in range(8)]
    old = timestamp(utc_now() - timedelta(minutes=1))
    for request in requests:
        row = caller.row(request)
        caller.store.save(row, replace(row, created=old))
    caller.change(FLEET, paused=())
    told = {fleet["fleet"]: fleet for fleet in caller.invoke("tick")["fleets"]}
    assert told[FLEET]["machines"] == 2, told
    caller.ready(FLEET, workers=2)
    values = [answered(caller.ended(request))[0] for request in requests]
    assert values == [100 + number for number in range(8)]


def test_what_is_cancelled_while_it_runs_has_no_result(caller: Caller) -> None:
    request = caller.submitted("slow", asked(200, 2))
    until("it runs", lambda: caller.status(request) == "running")
    told = caller.client.delete(f"/async/requests/{request}")
    assert told.status_code == 202, told.text
    assert told.json()["status"] == "running"
    assert told.json()["cancel_requested"] is True
    ended = caller.ended(request)
    assert ended["status"] == "cancelled"
    assert "response" not in ended
    assert "response_url" not in ended


def test_ticks_stop_when_every_fleet_sleeps_and_go_on_when_one_is_woken(caller: Caller) -> None:
    """Nobody has asked the fleet that is woken here for a while: that is remembered for 5 s."""
    for fleet in ("sleepy", "pair", "brittle", "boxes", "twins", "managed"):
        state = caller.state(fleet)
        long_ago = timestamp(utc_now() - timedelta(minutes=2))
        asleep = replace(state, machines=0, slept=long_ago, idle_since="")
        assert caller.fleets.save(state, asleep)
    assert caller.invoke("tick")["goes_on"] is False
    assert ticks(caller) == "DISABLED"
    request = caller.submitted("poison", divided(6, 2))
    assert ticks(caller) == "ENABLED"
    assert answered(caller.ended(request)) == [3]
