"""Tasks of state machines that wait for requests to end."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

STALE = frozenset({"InvalidToken", "TaskDoesNotExist", "TaskTimedOut"})
"""Codes of errors that say that nobody waits for a task any more."""


@dataclass(frozen=True, slots=True)
class StepFunctionsWaiters:
    """``WaitingTasks`` of Step Functions."""

    client: "SFNClient"

    def end(self, token: str) -> None:
        """End a task, if anybody still waits for it."""
        try:
            self.client.send_task_success(taskToken=token, output="{}")
        except ClientError as error:
            if error.response["Error"]["Code"] not in STALE:
                raise
