"""The rights that tasks of state machines need, by what their states name."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

INTEGRATION = re.compile(r"arn:[\w-]+:states:::(?:aws-sdk:)?(\w+):(\w+)")
REGION = "us-east-1"
"""The laptop has one."""
ERRORS = {"lambda": "Lambda.AWSLambdaException", "dynamodb": "DynamoDB.AccessDeniedException"}


@dataclass(frozen=True, slots=True)
class Tasks:
    """Reads tasks as the emulator reads requests: an integration is one."""

    resource: Callable[..., str]
    """Finds the ARN that a request is about."""

    def needs(self, resource: str, given: Mapping[str, Any], role: str) -> tuple[str, str, str]:
        """Give the action and the resource of a task, and the error that a refusal is.

        Parameters
        ----------
        role
            ARN of the machine's role, in whose account the task is.
        """
        found = INTEGRATION.match(resource)
        if found is None:
            return "lambda:InvokeFunction", resource, ERRORS["lambda"]
        service, action, account = found[1], found[2], role.split(":")[4]
        error = ERRORS.get(service, f"{service.capitalize()}.AccessDeniedException")
        if service == "lambda":
            called = given["FunctionName"]
            if not called.startswith("arn:"):
                called = f"arn:aws:lambda:{REGION}:{account}:function:{called}"
            return "lambda:InvokeFunction", called, error
        body = json.dumps(given).encode()
        arn = self.resource(service, "POST", "/", {}, body, {}, REGION, account)
        return f"{service}:{action[0].upper()}{action[1:]}", arn, error
