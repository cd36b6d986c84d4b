"""Endpoints of SageMaker on the laptop: servers that come and go, invocations, notices."""

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from serval_cli.local.launcher.sagemaker.definition import NotDeclared
from tests.fakes.sagemaker_stage import CONFIGURATION, ENDPOINT, MODEL, ROLE, Stage

pytestmark = pytest.mark.slow


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path)
    yield made
    made.endpoints.stop()


def eventually(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "not within 60 s"
        time.sleep(0.01)


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_server_starts_with_the_first_invocation_and_stays(stage: Stage) -> None:
    stage.declare()
    assert stage.capacity() == 0
    first = stage.invoke(b"x")
    assert (first["model"], first["body"]) == ("one", "x")
    assert stage.capacity() == 1
    assert stage.invoke(b"y")["pid"] == first["pid"]
    assert stage.metrics == ["Started"]


def test_a_server_has_the_credentials_of_its_models_role(stage: Stage) -> None:
    stage.declare()
    assert stage.invoke(b"x")["key"] == f"key of {ROLE} for e"
    stage.submit(b"x")
    stage.notice()
    assert stage.roles == [ROLE]


def test_a_server_that_is_idle_stops(tmp_path: Path) -> None:
    stage = Stage(tmp_path, idle_seconds=0.0)
    stage.declare()
    first = stage.invoke(b"x")
    eventually(lambda: stage.capacity() == 0)
    assert stage.invoke(b"x")["pid"] != first["pid"]
    stage.endpoints.stop()


def test_a_model_that_changes_gets_a_server_of_its_own(stage: Stage) -> None:
    stage.declare("one")
    before = stage.invoke(b"x")
    stage.declare("two")
    after = stage.invoke(b"x")
    assert (before["model"], after["model"]) == ("one", "two")
    eventually(lambda: is_gone(before["pid"]))


def test_a_server_that_crashes_is_started_again(stage: Stage) -> None:
    stage.declare()
    assert stage.call("/endpoints/e/invocations", b"crash")[0] == 503
    assert stage.invoke(b"x")["body"] == "x"


def test_an_error_of_the_container_is_a_model_error(stage: Stage) -> None:
    stage.declare()
    status, headers, error = stage.call("/endpoints/e/invocations", b"418")
    assert (status, headers["x-amzn-errortype"]) == (424, "ModelError")
    assert error["OriginalStatusCode"] == 418
    assert '"body": "418"' in error["OriginalMessage"]


def test_an_async_invocation_is_accepted_and_noticed_when_its_result_is_there(
    stage: Stage,
) -> None:
    stage.declare()
    stage.storage.write("s3://data/in", b"large", "")
    status, headers, answer = stage.submit(
        inputlocation="s3://data/in", inference_id="r1.2", custom_attributes='{"m":1}'
    )
    assert (status, answer) == (202, {"InferenceId": "r1.2"})
    assert headers["X-Amzn-SageMaker-OutputLocation"] == "s3://data/out/r1.2.out"
    assert headers["X-Amzn-SageMaker-FailureLocation"] == "s3://data/failed/r1.2-error.out"
    topic, notice = stage.notice()
    assert topic == "arn:ok"
    assert notice["invocationStatus"] == "Completed"
    assert notice["inferenceId"] == "r1.2"
    assert notice["requestParameters"]["endpointName"] == "e"
    assert notice["requestParameters"]["inputLocation"] == "s3://data/in"
    assert notice["responseParameters"]["outputLocation"] == "s3://data/out/r1.2.out"
    body, content_type = stage.storage.objects["s3://data/out/r1.2.out"]
    assert json.loads(body)["body"] == "large"
    assert json.loads(body)["attributes"] == '{"m":1}'
    assert content_type == "application/json"


def test_a_body_may_come_with_the_call(stage: Stage) -> None:
    stage.declare()
    made = stage.submit(b"small")[2]["InferenceId"]
    _, notice = stage.notice()
    assert notice["inferenceId"] == made
    assert notice["requestParameters"]["inputLocation"] == ""


@pytest.mark.parametrize(
    ("body", "location", "reason"),
    [
        (b"500", "", 'Received server error (500) from model with message "'),
        (b"400", "", 'Received client error (400) from model with message "'),
        (b"crash", "", "Received server error (500) from model with message"),
        (b"", "s3://data/nothing", "no object at s3://data/nothing"),
    ],
)
def test_a_failure_is_noticed_with_its_reason(
    stage: Stage, body: bytes, location: str, reason: str
) -> None:
    stage.declare()
    given = {"inputlocation": location} if location else {}
    stage.submit(body, inference_id="r1.1", **given)
    topic, notice = stage.notice()
    assert topic == "arn:error"
    assert notice["invocationStatus"] == "Failed"
    assert reason in notice["failureReason"]
    assert "responseParameters" not in notice
    written, _ = stage.storage.objects["s3://data/failed/r1.1-error.out"]
    assert written.decode() == notice["failureReason"]
    assert "s3://data/out/r1.1.out" not in stage.storage.objects


def test_a_server_that_does_not_start_fails_what_it_was_started_for(stage: Stage) -> None:
    stage.declare("broken")
    stage.submit(b"x")
    topic, notice = stage.notice()
    assert topic == "arn:error"
    assert "ended with 1 before it answered; see" in notice["failureReason"]
    assert stage.capacity() == 0


def test_as_many_run_at_a_time_as_an_instance_may_run(stage: Stage) -> None:
    stage.declare()
    for _ in range(4):
        stage.submit(b"together")
    for _ in range(4):
        stage.notice()
    most = [
        json.loads(body)["most"]
        for location, (body, _) in stage.storage.objects.items()
        if location.startswith("s3://data/out/")
    ]
    assert max(most) == 2


@pytest.mark.parametrize(
    ("body", "headers", "message"),
    [
        (b"", {}, "exactly one of Body and InputLocation"),
        (b"x", {"inputlocation": "s3://data/in"}, "exactly one of Body and InputLocation"),
        (b"x" * 128_001, {}, "128001 bytes; at most 128000"),
    ],
)
def test_what_sagemaker_does_not_take_is_refused(
    stage: Stage, body: bytes, headers: dict[str, str], message: str
) -> None:
    stage.declare()
    status, said, error = stage.submit(body, **headers)
    assert (status, said["x-amzn-errortype"]) == (400, "ValidationError")
    assert message in error["Message"]


def test_an_endpoint_that_is_not_declared_is_refused(stage: Stage) -> None:
    status, said, _ = stage.submit(b"x")
    assert (status, said["x-amzn-errortype"]) == (400, "ValidationError")
    status, _, error = stage.describe("DescribeEndpoint", EndpointName="e")
    assert (status, error["__type"]) == (400, "ValidationException")
    assert error["message"] == 'Could not find endpoint "e".'


def test_configurations_are_described_as_they_were_declared(stage: Stage) -> None:
    stage.declare()
    _, _, endpoint = stage.describe("DescribeEndpoint", EndpointName="e")
    assert endpoint["EndpointStatus"] == "InService"
    _, _, found = stage.describe(
        "DescribeEndpointConfig", EndpointConfigName=endpoint["EndpointConfigName"]
    )
    assert found["AsyncInferenceConfig"] == CONFIGURATION["AsyncInferenceConfig"]
    assert stage.describe("ListEndpoints")[0] == 400


def test_resources_have_arns_and_names_of_the_template_or_of_their_own(stage: Stage) -> None:
    arn, attributes = stage.handlers("Model")["create"]("M", MODEL, "s")
    assert arn == "arn:aws:sagemaker:us-east-1:1:model/m"
    assert attributes == {"ModelName": "m"}
    unnamed = {"PrimaryContainer": MODEL["PrimaryContainer"]}
    assert stage.handlers("Model")["create"]("M", unnamed, "s")[1] == {"ModelName": "s-M"}


def test_an_endpoint_of_a_configuration_that_is_not_there_is_not_made(stage: Stage) -> None:
    with pytest.raises(NotDeclared, match='endpoint-config "c"'):
        stage.handlers("Endpoint")["create"]("E", ENDPOINT, "s")
    assert stage.describe("DescribeEndpoint", EndpointName="e")[0] == 400


def test_another_configuration_is_another_server(stage: Stage) -> None:
    stage.declare()
    before = stage.invoke(b"x")
    handlers = stage.handlers("Model")
    container = {"Image": "i", "Environment": {"MODEL": "two"}}
    other = MODEL | {"ModelName": "m2", "PrimaryContainer": container}
    handlers["create"]("M2", other, "s")
    variants = [{"VariantName": "all", "ModelName": "m2"}]
    configured = CONFIGURATION | {"EndpointConfigName": "c2", "ProductionVariants": variants}
    stage.handlers("EndpointConfig")["create"]("C2", configured, "s")
    arn = "arn:aws:sagemaker:us-east-1:1:endpoint/e"
    changed = ENDPOINT | {"EndpointConfigName": "c2"}
    update = stage.handlers("Endpoint")["update"]
    assert update(arn, ENDPOINT, changed, "s") == (arn, {"EndpointName": "e"})
    after = stage.invoke(b"x")
    assert (before["model"], after["model"]) == ("one", "two")


def test_another_name_is_another_resource_and_the_old_one_goes(stage: Stage) -> None:
    stage.declare()
    arn = "arn:aws:sagemaker:us-east-1:1:endpoint/e"
    renamed = {"EndpointName": "f", "EndpointConfigName": "c"}
    new, _ = stage.handlers("Endpoint")["update"](arn, ENDPOINT, renamed, "s", logical_id="E")
    assert new == "arn:aws:sagemaker:us-east-1:1:endpoint/f"
    assert stage.describe("DescribeEndpoint", EndpointName="e")[0] == 400
    assert stage.describe("DescribeEndpoint", EndpointName="f")[0] == 200


def test_a_removed_endpoint_takes_its_server_with_it(stage: Stage) -> None:
    stage.declare()
    pid = stage.invoke(b"x")["pid"]
    stage.handlers("Endpoint")["delete"]("arn:aws:sagemaker:us-east-1:1:endpoint/e", ENDPOINT)
    assert is_gone(pid)
