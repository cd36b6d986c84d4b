"""Events on EventBridge: an outage does not hold a rollout up."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from serval.bootstrap.events import rollout_events
from serval.models.registry import Rollout
from serval.rollouts.events import detail

ROLLOUT = Rollout(model="iris", rollout="u", status="running", created="1", updated="2")
ENTRIES = [
    {"Source": "serval", "DetailType": "serval.rollout", "Detail": json.dumps(detail(ROLLOUT))}
]


@pytest.fixture
def client() -> Any:
    return boto3.Session("test", "test", region_name="eu-central-1").client("events")


@pytest.fixture
def eventbridge(client: Any) -> Iterator[Stubber]:
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def test_a_state_is_one_event(client: Any, eventbridge: Stubber):
    logged: list[str] = []
    eventbridge.add_response(
        "put_events", {"FailedEntryCount": 0, "Entries": [{"EventId": "e"}]}, {"Entries": ENTRIES}
    )
    rollout_events(client, logged.append).announce(ROLLOUT)
    assert logged == []


def test_an_outage_is_logged_and_the_rollout_goes_on(client: Any, eventbridge: Stubber):
    logged: list[str] = []
    eventbridge.add_client_error("put_events", "InternalException")
    eventbridge.add_response(
        "put_events", {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "ThrottlingException"}]}
    )
    events = rollout_events(client, logged.append)
    events.announce(ROLLOUT)
    events.announce(ROLLOUT)
    refused, lost = map(json.loads, logged)
    assert refused["level"] == lost["level"] == "ERROR"
    assert "InternalException" in refused["error"]
    assert "ThrottlingException" in lost["error"]
