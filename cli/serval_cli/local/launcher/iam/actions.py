"""The actions and resources of requests, where AWS has others than the emulator."""

import json
import re
from collections.abc import Mapping
from typing import Any

from serval_cli.local.launcher.emulator import Emulator

INVOCATION = re.compile(r"/endpoints/([^/]+)/(async-)?invocations")
BATCH = re.compile(r"sqs:(?:ChangeMessageVisibility|DeleteMessage|SendMessage)Batch")
ANSWER = "states:SendTask"
MOST_TOKENS = 10_000
Headers = Mapping[str, str]
Params = Mapping[str, Any]


class Tokens:
    """The machines of tasks that wait to be answered, by their tokens."""

    def __init__(self) -> None:
        self._machines: dict[str, str] = {}

    def note(self, token: str, machine: str) -> None:
        """Note which machine's task a token stands for; the oldest one is forgotten for it."""
        if len(self._machines) >= MOST_TOKENS:
            del self._machines[next(iter(self._machines))]
        self._machines[token] = machine

    def machine(self, body: bytes) -> str | None:
        """Give the machine whose task a request answers."""
        return self._machines.get(json.loads(body).get("taskToken", ""))


class Actions:
    """Reads actions and resources as the emulator does, and as AWS has them."""

    def __init__(self, emulator: Emulator, tokens: Tokens) -> None:
        actions = emulator.iam_actions
        self._tokens = tokens
        self._action, self._resource = actions.extract_iam_action, actions.extract_resource_arn

    def action(
        self, service: str, method: str, path: str, headers: Headers, body: bytes, params: Params
    ) -> str | None:
        """Give the action of a request; None: there is none, so that it is not checked."""
        if service == "sagemaker" and (invoked := INVOCATION.fullmatch(path)):
            return f"sagemaker:InvokeEndpoint{'Async' if invoked[2] else ''}"
        found: str | None = self._action(service, method, path, headers, body, params)
        if found is None or BATCH.fullmatch(found):
            return found and found.removesuffix("Batch")
        if found.startswith(ANSWER) and self._tokens.machine(body) is None:
            return None  # the emulator knows no such task either, and says so
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
        """Give the ARN of what a request is about."""
        if service == "sagemaker":
            invoked = INVOCATION.fullmatch(path)
            asked = {} if invoked else json.loads(body or b"{}")
            kind = "endpoint-config" if "EndpointConfigName" in asked else "endpoint"
            name = invoked[1] if invoked else asked.get("EndpointConfigName", "")
            name = name or asked.get("EndpointName", "")
            return f"arn:aws:sagemaker:{region}:{account}:{kind}/{name}"
        target = headers.get("x-amz-target", "")
        if service == "states" and ".SendTask" in target:
            return self._tokens.machine(body) or "*"
        found: str = self._resource(service, method, path, headers, body, params, region, account)
        # Rules of the default bus are named without it.
        return found.replace(":rule/default/", ":rule/") if service == "events" else found
