"""A fleet of kind ``sagemaker``: its requests go to an async endpoint, and back by its notices."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import httpx

from serval.clock import timestamp, utc_now
from serval.models.resource_names import endpoint_name
from tests.local.fleet_caller import Caller, answered, asked, until

FLEET = "managed"


def capacity(caller: Caller) -> int:
    client = caller.stage.client("sagemaker")
    described = client.describe_endpoint(EndpointName=endpoint_name("local", FLEET))
    assert described["EndpointStatus"] == "InService"
    return int(described["ProductionVariants"][0]["CurrentInstanceCount"])


def test_requests_are_dispatched_and_closed_by_the_notices_of_the_endpoint(
    caller: Caller,
) -> None:
    assert capacity(caller) == 0
    requests = [caller.submitted("hosted", asked(number, 0)) for number in range(20)]
    values = [answered(caller.ended(request)) for request in requests]
    assert values == [[5 * number + 2, 2] for number in range(20)]
    assert capacity(caller) == 1
    assert {caller.row(request).attempts for request in requests} == {1}
    until("nothing is in flight", lambda: caller.state(FLEET).in_flight == 0)
    counts = caller.queues.counts("hosted")
    assert (counts.visible, counts.in_flight, counts.dead) == (0, 0, 0)


def test_the_protocols_own_path_waits_for_the_endpoint(caller: Caller) -> None:
    reply = caller.client.post("/v2/models/hosted/infer", json=asked(1, 2))
    assert reply.status_code == 200, reply.text
    assert reply.json()["outputs"][0]["data"] == [7, 12]


def test_an_upload_goes_to_the_endpoint_as_it_is(caller: Caller) -> None:
    rows = 20_000
    body = json.dumps(asked(*[float(number % 100) for number in range(2 * rows)])).encode()
    begun = caller.client.post("/async/models/hosted/uploads", json={"size_bytes": len(body)})
    upload = begun.json()
    httpx.put(upload["upload_url"], content=body, trust_env=False).raise_for_status()
    caller.client.put(f"/async/requests/{upload['id']}", json={"model": "hosted", "upload": True})
    values = answered(caller.ended(upload["id"]))
    assert values == [5 * (number % 100) + 2 for number in range(2 * rows)]


def test_a_cancel_after_dispatch_discards_the_result_and_says_so(caller: Caller) -> None:
    request = caller.submitted("hosted", asked(1, 2))
    told = caller.client.delete(f"/async/requests/{request}")
    assert told.status_code in (200, 202, 409), told.text
    ended = caller.ended(request)
    if told.status_code == 409:  # it was done before
        assert ended["status"] == "succeeded"
    else:
        assert ended["status"] == "cancelled"
        assert "response" not in ended


@contextmanager
def unheard(caller: Caller) -> Iterator[None]:
    """Let nobody hear the notices of the endpoint."""
    sns = caller.stage.client("sns")
    heard = [
        one
        for one in sns.list_subscriptions()["Subscriptions"]
        if one["Endpoint"].endswith(f":{caller.functions['complete']}")
    ]
    assert heard
    for one in heard:
        sns.unsubscribe(SubscriptionArn=one["SubscriptionArn"])
    yield
    for one in heard:
        sns.subscribe(**{key: one[key] for key in ("TopicArn", "Protocol", "Endpoint")})


def test_what_a_lost_notice_left_open_is_closed_by_the_sweep(caller: Caller) -> None:
    data = caller.stage.client("s3")
    with unheard(caller):
        request = caller.submitted("hosted", asked(1, 2))
        until("the endpoint has it", lambda: caller.row(request).output_key)
        key = caller.row(request).output_key
        found = {"Bucket": caller.stage.data_bucket, "Prefix": key}
        until("its result is there", lambda: data.list_objects_v2(**found)["KeyCount"])
    row = caller.row(request)
    assert row.status == "running"
    long_ago = timestamp(utc_now() - timedelta(minutes=11))
    assert caller.store.save(row, replace(row, updated=long_ago))
    assert request in caller.invoke("sweep")["ended"]
    assert answered(caller.get(request)) == [7, 12]
    assert caller.state(FLEET).in_flight == 0
