"""Tasks that a state machine waits for, by their tokens."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from serval.aws.stepfunctions.waiting_tasks import STALE
from serval.batch.shard.tasks import StaleToken

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

ERROR_CHARACTERS = 256


@dataclass(frozen=True, slots=True)
class StepFunctionsTasks:
    """``Tasks`` of Step Functions."""

    client: "SFNClient"

    def heartbeat(self, token: str) -> None:
        """Report that the task is being worked on."""
        call_for_task(self.client.send_task_heartbeat, taskToken=token)

    def succeed(self, token: str, output: Mapping[str, Any]) -> None:
        """End the task with its output."""
        call_for_task(self.client.send_task_success, taskToken=token, output=json.dumps(output))

    def fail(self, token: str, error: str, cause: str) -> None:
        """End the task with an error, which the state machine may try again."""
        call_for_task(
            self.client.send_task_failure,
            taskToken=token,
            error=error[:ERROR_CHARACTERS],
            cause=cause,
        )


def call_for_task(call: Callable[..., Any], **arguments: Any) -> None:
    """Make a call about a task, or raise ``StaleToken`` if its token has expired."""
    try:
        call(**arguments)
    except ClientError as error:
        if error.response["Error"]["Code"] in STALE:
            raise StaleToken from error
        raise
