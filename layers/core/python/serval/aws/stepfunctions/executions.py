"""The state machines of batch jobs and of durable pipelines, in Step Functions."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions.client import SFNClient

STARTED_BEFORE = "ExecutionAlreadyExists"
GONE = "ExecutionDoesNotExist"
STOPPED_CAUSE = "the batch job was ended"


@dataclass(frozen=True, slots=True)
class PipelineExecutions:
    """``Machine`` of durable pipelines, in Step Functions."""

    client: "SFNClient"
    machine: str
    """Its ARN."""

    def start(self, request_id: str, attempt: int) -> None:
        """Start an execution for an attempt, once."""
        try:
            self.client.start_execution(
                stateMachineArn=self.machine,
                name=f"{request_id}-{attempt}",
                input=json.dumps({"request": request_id, "attempt": attempt}),
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != STARTED_BEFORE:
                raise


@dataclass(frozen=True, slots=True)
class BatchExecutions:
    """``Executions`` of one machine."""

    client: "SFNClient"
    machine: str
    """Its ARN."""

    def start(self, name: str, job_id: str) -> None:
        """Start an execution for a job whose row exists, once for each name within 90 days.

        A name is given again only for the same job, so an execution of that name is the one wanted.
        """
        try:
            self.client.start_execution(
                stateMachineArn=self.machine,
                name=name,
                input=json.dumps({"origin": "api", "job": job_id}),
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != STARTED_BEFORE:
                raise

    def stop(self, owner: str) -> None:
        """Stop an execution and everything that it started, unless it has ended."""
        try:
            self.client.stop_execution(executionArn=self._arn(owner), cause=STOPPED_CAUSE)
        except ClientError as error:
            if error.response["Error"]["Code"] != GONE:
                raise

    def _arn(self, owner: str) -> str:
        """Return the ARN of an execution, given the ARN or the name."""
        if owner.startswith("arn:"):
            return owner
        return f"{self.machine.replace(':stateMachine:', ':execution:', 1)}:{owner}"
