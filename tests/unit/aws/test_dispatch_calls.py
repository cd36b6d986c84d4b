"""Asking for requests to be handed over, by an invocation that nobody waits for."""

import json
from typing import Any

import pytest

from serval.aws.clients import LazyClient
from serval.aws.dispatch_calls import DispatchCalls
from tests.fakes.endpoints import InMemoryDuty
from tests.fakes.handlers import recorded
from tests.fakes.inbox import HandClock


class Client:
    """Stands for Lambda's client: remembers what it was asked."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []

    def invoke(self, **arguments: Any) -> dict[str, Any]:
        self.calls.append(arguments)
        return {"StatusCode": 202}


@pytest.mark.parametrize("recount", [False, True])
def test_the_function_is_invoked_as_its_event_is_recorded(recount: bool) -> None:
    client, duty = Client(), InMemoryDuty(HandClock())

    DispatchCalls(client, "serval-prod-dispatch", duty).ask("managed", recount=recount)  # type: ignore[arg-type]

    (call,) = client.calls
    assert (call["FunctionName"], call["InvocationType"]) == ("serval-prod-dispatch", "Event")
    assert json.loads(call["Payload"]) == recorded("dispatch") | {"token": duty.holder}
    assert duty.recount is recount


def test_while_a_dispatch_is_on_duty_a_call_is_counted_and_starts_none() -> None:
    client, duty = Client(), InMemoryDuty(HandClock())
    calls = DispatchCalls(client, "serval-prod-dispatch", duty)  # type: ignore[arg-type]

    for _ in range(100):
        calls.ask("managed")

    assert len(client.calls) == 1
    assert duty.calls == 100


def test_a_client_is_made_when_it_is_first_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    later = LazyClient("events", "eu-central-1")
    assert later._made is None

    assert later.meta.region_name == "eu-central-1"
    made = later._made
    assert later.meta.service_model.service_name == "events"
    assert later._made is made, "once"
