"""Events about detections: ten in a call, and again what EventBridge refuses."""

import json
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from serval.aws.eventbridge.detection_events import ATTEMPTS, DetectionEvents, EventsRefused

DETAILS = [{"id": f"j/0/0/0/{number}"} for number in range(12)]
BUSY = {"ErrorCode": "ThrottlingException", "ErrorMessage": "slower"}


def entries(*numbers: int) -> dict[str, Any]:
    return {
        "Entries": [
            {
                "Source": "serval",
                "DetailType": "serval.detection",
                "Detail": json.dumps(DETAILS[number]),
            }
            for number in numbers
        ]
    }


def reply(*refused: bool) -> dict[str, Any]:
    said = [BUSY if one else {"EventId": "e"} for one in refused]
    return {"FailedEntryCount": sum(refused), "Entries": said}


def test_ten_go_in_a_call_and_only_what_was_refused_goes_again() -> None:
    client = boto3.Session("test", "test", region_name="eu-central-1").client("events")
    pauses: list[float] = []
    with Stubber(client) as eventbridge:
        first = [number in (3, 7) for number in range(10)]
        eventbridge.add_response("put_events", reply(*first), entries(*range(10)))
        eventbridge.add_response("put_events", reply(False, True), entries(3, 7))
        eventbridge.add_response("put_events", reply(False), entries(7))
        eventbridge.add_response("put_events", reply(False, False), entries(10, 11))
        DetectionEvents(client, pauses.append).send(DETAILS)
        eventbridge.assert_no_pending_responses()
    assert pauses == pytest.approx([0.2, 0.4])


def test_events_that_are_refused_every_time_fail_the_shard() -> None:
    client = boto3.Session("test", "test", region_name="eu-central-1").client("events")
    with Stubber(client) as eventbridge:
        for _ in range(ATTEMPTS):
            eventbridge.add_response("put_events", reply(True), entries(0))
        with pytest.raises(EventsRefused, match="refused 1 events, the first with Throttling"):
            DetectionEvents(client, lambda _: None).send(DETAILS[:1])
