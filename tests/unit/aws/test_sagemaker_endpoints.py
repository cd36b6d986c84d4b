"""Calls of SageMaker, which the emulator does not have: looked at as they leave for the network."""

import json
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse

from serval.aws.sagemaker_endpoints import SageMakerEndpoints
from serval.fleets.endpoints.attempt import LEASE
from serval.fleets.endpoints.ports import OutputKeys


class Body:
    """The body of an answer."""

    def __init__(self, document: Any) -> None:
        self.content = json.dumps(document).encode()

    def stream(self, *_: Any, **__: Any) -> Any:
        return iter([self.content])


@dataclass
class SageMaker:
    """Answers instead of the network, and remembers what was asked."""

    headers: dict[str, str]
    document: Any
    asked: list[Any] = field(default_factory=list)

    def client(self, service: str) -> Any:
        client = boto3.Session("test", "test", region_name="eu-central-1").client(service)
        client.meta.events.register("before-send", self.answer)
        return client

    def answer(self, request: Any, **_: Any) -> AWSResponse:
        self.asked.append(request)
        return AWSResponse(request.url, 202, self.headers, Body(self.document))

    @property
    def endpoints(self) -> SageMakerEndpoints:
        return SageMakerEndpoints(
            self.client("sagemaker-runtime"), self.client("sagemaker"), "prod", "data"
        )


@pytest.fixture
def accepting() -> SageMaker:
    return SageMaker(
        {
            "X-Amzn-SageMaker-OutputLocation": "s3://data/async-out/r1.2.out",
            "X-Amzn-SageMaker-FailureLocation": "s3://data/async-out/r1.2-error.out",
        },
        {"InferenceId": "r1.2"},
    )


def test_a_stored_payload_is_named_to_the_fleet_s_endpoint(accepting: SageMaker) -> None:
    submitted = accepting.endpoints.submit("managed", "r1.2", "async/r1/request", '{"m":"v"}')

    assert submitted == OutputKeys("async-out/r1.2.out", "async-out/r1.2-error.out")
    (request,) = accepting.asked
    assert request.url.endswith("/endpoints/serval-prod-managed/async-invocations")
    headers = {name.lower(): value for name, value in request.headers.items()}
    assert headers["x-amzn-sagemaker-inputlocation"] == b"s3://data/async/r1/request"
    assert headers["x-amzn-sagemaker-inference-id"] == b"r1.2"
    assert headers["x-amzn-sagemaker-custom-attributes"] == b'{"m":"v"}'
    assert not request.body


def test_an_endpoint_gives_an_inference_up_before_its_lease_ends(accepting: SageMaker) -> None:
    accepting.endpoints.submit("managed", "r1.2", b"{}", "{}")

    (request,) = accepting.asked
    said = {name.lower(): value for name, value in request.headers.items()}
    waits = int(said["x-amzn-sagemaker-requestttlseconds"])
    runs = int(said["x-amzn-sagemaker-invocationtimeoutseconds"])
    assert runs == 3600, "SageMaker allows no more"
    assert waits + runs < LEASE.total_seconds()


def test_a_small_payload_goes_with_the_call(accepting: SageMaker) -> None:
    accepting.endpoints.submit("managed", "r1.2", b'{"inputs": []}', "{}")

    (request,) = accepting.asked
    assert request.body == b'{"inputs": []}'
    assert "x-amzn-sagemaker-inputlocation" not in {name.lower() for name in request.headers}


def test_an_endpoint_that_names_no_place_for_failures_is_taken_as_it_is() -> None:
    accepting = SageMaker({"X-Amzn-SageMaker-OutputLocation": "s3://data/o"}, {})

    assert accepting.endpoints.submit("managed", "r1.2", "k", "{}") == OutputKeys("o", "")


@pytest.mark.parametrize(
    ("variants", "capacity"),
    [
        ([{"CurrentInstanceCount": 2, "DesiredInstanceCount": 5}], 2),
        ([{"DesiredInstanceCount": 1}], 0),
        ([], 0),
    ],
    ids=["scaling", "starting", "none yet"],
)
def test_the_capacity_of_an_endpoint_is_what_it_has_now(variants: Any, capacity: int) -> None:
    answering = SageMaker({}, {"ProductionVariants": variants})

    assert answering.endpoints.capacity("managed") == capacity
    (request,) = answering.asked
    assert json.loads(request.body) == {"EndpointName": "serval-prod-managed"}
