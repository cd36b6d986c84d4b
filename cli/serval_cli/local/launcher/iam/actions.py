"""Determine a request's action and resource as AWS does, where the emulator differs."""

import json
import re
from collections.abc import Mapping
from posixpath import commonpath
from typing import Any

from serval_cli.local.launcher.emulator import Emulator

INVOCATION = re.compile(r"/endpoints/([^/]+)/(async-)?invocations")
BATCH = re.compile(r"sqs:(?:ChangeMessageVisibility|DeleteMessage|SendMessage)Batch")
ANSWER = "states:SendTask"
MOST_TOKENS = 10_000
Headers = Mapping[str, str]
Params = Mapping[str, Any]


class Tokens:
    """Tokens of waiting tasks, with the state machines they belong to."""

    def __init__(self) -> None:
        self._machines: dict[str, str] = {}

    def note(self, token: str, machine: str) -> None:
        """Remember the machine of a task token; too many tokens push out the oldest."""
        if len(self._machines) >= MOST_TOKENS:
            del self._machines[next(iter(self._machines))]
        self._machines[token] = machine

    def machine(self, body: bytes) -> str | None:
        """Return the machine whose task a request answers."""
        return self._machines.get(json.loads(body).get("taskToken", ""))


class Actions:
    """Determines actions and resources with the emulator's functions, corrected to match AWS."""

    def __init__(self, emulator: Emulator, tokens: Tokens) -> None:
        actions = emulator.iam_actions
        self._tokens = tokens
        self._action, self._resource = actions.extract_iam_action, actions.extract_resource_arn

    def action(
        self, service: str, method: str, path: str, headers: Headers, body: bytes, params: Params
    ) -> str | None:
        """Return the action of a request, or None if the request is not checked."""
        if service == "sagemaker" and (invoked := INVOCATION.fullmatch(path)):
            return f"sagemaker:InvokeEndpoint{'Async' if invoked[2] else ''}"
        found: str | None = self._action(service, method, path, headers, body, params)
        if found is None or BATCH.fullmatch(found):
            return found and found.removesuffix("Batch")
        if found.startswith(ANSWER) and self._tokens.machine(body) is None:
            return None  # the emulator does not know the task either, and reports that
        return found

    def resource(
        self,
        service: str,
        method: str,
        path: str,
        headers: Headers,
        body: bytes,
        params: Params,
        region: str,
        account: str,
    ) -> str:
        """Return the ARN that a request is about."""
        if service == "sagemaker":
            invoked = INVOCATION.fullmatch(path)
            asked = {} if invoked else json.loads(body or b"{}")
            kind = "endpoint-config" if "EndpointConfigName" in asked else "endpoint"
            name = invoked[1] if invoked else asked.get("EndpointConfigName", "")
            name = name or asked.get("EndpointName", "")
            return f"arn:aws:sagemaker:{region}:{account}:{kind}/{name}"
        target = headers.get("x-amz-target", "")
        if target == "AmazonSSM.GetParameters":
            return f"arn:aws:ssm:{region}:{account}:parameter{parameters(json.loads(body))}"
        if service == "states" and ".SendTask" in target:
            return self._tokens.machine(body) or "*"
        found: str = self._resource(service, method, path, headers, body, params, region, account)
        # Rules of the default bus are named without the bus.
        return found.replace(":rule/default/", ":rule/") if service == "events" else found


def parameters(asked: Mapping[str, Any]) -> str:
    """Return the name that a request asks for, or what stands for all its names: their path."""
    names: list[str] = asked.get("Names") or ["/"]
    return names[0] if len(names) == 1 else f"{commonpath(names)}/*"
