"""The machine of batch jobs in Step Functions: started once, stopped, looked at."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from serval.aws.stepfunctions.executions import STOPPED_CAUSE, BatchExecutions

MACHINE = "arn:aws:states:eu-central-1:123456789012:stateMachine:serval-prod-batch"
EXECUTION = "arn:aws:states:eu-central-1:123456789012:execution:serval-prod-batch:j1"
NOW = datetime(2026, 11, 21, tzinfo=UTC)
START = {
    "stateMachineArn": MACHINE,
    "name": "j1-2",
    "input": json.dumps({"origin": "api", "job": "j1"}),
}


@pytest.fixture
def client() -> Any:
    return boto3.Session("test", "test", region_name="eu-central-1").client("stepfunctions")


@pytest.fixture
def machine(client: Any) -> Iterator[Stubber]:
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def test_an_execution_is_told_its_job(client: Any, machine: Stubber) -> None:
    answer = {"executionArn": EXECUTION, "startDate": NOW}
    machine.add_response("start_execution", answer, START)
    BatchExecutions(client, MACHINE).start("j1-2", "j1")


def test_a_name_that_was_started_before_is_started(client: Any, machine: Stubber) -> None:
    machine.add_client_error("start_execution", "ExecutionAlreadyExists", expected_params=START)
    BatchExecutions(client, MACHINE).start("j1-2", "j1")


def test_what_cannot_be_started_fails(client: Any, machine: Stubber) -> None:
    machine.add_client_error("start_execution", "StateMachineDoesNotExist")
    with pytest.raises(ClientError, match="StateMachineDoesNotExist"):
        BatchExecutions(client, MACHINE).start("j1", "j1")


@pytest.mark.parametrize("owner", [EXECUTION, "j1"])
def test_an_execution_is_stopped_by_its_arn_or_its_name(
    owner: str, client: Any, machine: Stubber
) -> None:
    asked = {"executionArn": EXECUTION, "cause": STOPPED_CAUSE}
    machine.add_response("stop_execution", {"stopDate": NOW}, asked)
    BatchExecutions(client, MACHINE).stop(owner)


def test_what_is_gone_need_not_be_stopped(client: Any, machine: Stubber) -> None:
    machine.add_client_error("stop_execution", "ExecutionDoesNotExist")
    BatchExecutions(client, MACHINE).stop(EXECUTION)
