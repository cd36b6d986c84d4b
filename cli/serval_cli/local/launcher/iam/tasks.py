"""Determine the permissions that tasks of state machines need."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

INTEGRATION = re.compile(r"arn:[\w-]+:states:::(?:aws-sdk:)?(\w+):(\w+)")
REGION = "us-east-1"
"""The local stage's only region."""
ERRORS = {"lambda": "Lambda.AWSLambdaException", "dynamodb": "DynamoDB.AccessDeniedException"}


@dataclass(frozen=True, slots=True)
class Tasks:
    """Reads a task's integration as the emulator reads requests."""

    resource: Callable[..., str]
    """Returns the ARN that a request is about."""

    def needs(self, resource: str, given: Mapping[str, Any], role: str) -> tuple[str, str, str]:
        """Return a task's action and resource, and the error that a refusal raises.

        Parameters
        ----------
        role
            ARN of the machine's role, whose account the task runs in.
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
