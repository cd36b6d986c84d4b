"""The part of SageMaker's API that the emulator serves: describe and invoke endpoints."""

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from serval_cli.local.launcher.sagemaker.definition import Declared, NotDeclared
from serval_cli.local.launcher.sagemaker.endpoint import Endpoint
from serval_cli.local.launcher.sagemaker.invocation import PREFIX, Refused, accept
from serval_cli.local.launcher.sagemaker.server import ServerFailed

INVOKE = re.compile(r"/endpoints/([^/]+)/(async-)?invocations")
REALTIME_SECONDS = 60.0
Reply = tuple[int, dict[str, str], bytes]


@dataclass(slots=True)
class Service:
    """The declared endpoints, each created at its first call."""

    declared: Declared
    arn: Callable[[str, str], str]
    make: Callable[[str], Endpoint]
    endpoints: dict[str, Endpoint] = field(default_factory=dict)

    async def handle(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        query: Mapping[str, Any],
    ) -> Reply:
        """Answer a request, as the emulator's services do."""
        if match := INVOKE.fullmatch(path):
            answer = self._invoke_async if match[2] else self._invoke
            try:
                return await asyncio.to_thread(answer, match[1], headers, body)
            except (NotDeclared, Refused) as error:
                return error_reply(400, "ValidationError", str(error))
        operation = headers.get("x-amz-target", "").rpartition(".")[2]
        try:
            return self._describe(operation, json.loads(body or b"{}"))
        except NotDeclared as error:
            return error_reply(400, "ValidationException", str(error))

    def remove(self, name: str) -> None:
        """Stop an endpoint whose declaration is gone."""
        if endpoint := self.endpoints.pop(name, None):
            endpoint.stop()

    def endpoint(self, name: str) -> Endpoint:
        """Return a declared endpoint, or raise ``NotDeclared``."""
        self.declared.find("endpoint", name)
        return self.endpoints.setdefault(name, self.make(name))

    def _invoke(self, name: str, headers: Mapping[str, str], body: bytes) -> Reply:
        endpoint, definition = self.endpoint(name), self.declared.define(name)
        forwarded = {
            key: value
            for key, value in headers.items()
            if key in ("content-type", "accept") or key.startswith(PREFIX)
        }
        try:
            answer = endpoint.invoke(body, forwarded, REALTIME_SECONDS)
        except ServerFailed as error:
            return error_reply(503, "ServiceUnavailable", str(error))
        if answer.status >= 400:
            return model_error(answer.status, answer.body.decode(errors="replace"))
        said = {
            "Content-Type": answer.content_type,
            "x-Amzn-Invoked-Production-Variant": definition.variant,
        }
        return 200, said, answer.body

    def _invoke_async(self, name: str, headers: Mapping[str, str], body: bytes) -> Reply:
        endpoint = self.endpoint(name)
        invocation = accept(self.declared.define(name), headers, body, datetime.now(UTC))
        endpoint.submit(invocation)
        locations = {"X-Amzn-SageMaker-OutputLocation": invocation.output_location}
        if invocation.failure_location:
            locations["X-Amzn-SageMaker-FailureLocation"] = invocation.failure_location
        return reply(202, {"InferenceId": invocation.id}, locations)

    def _describe(self, operation: str, asked: Mapping[str, Any]) -> Reply:
        match operation:
            case "DescribeEndpoint":
                return reply(200, self._endpoint(asked["EndpointName"]))
            case "DescribeEndpointConfig":
                return reply(200, self._configuration(asked["EndpointConfigName"]))
            case _:
                return error_reply(400, "UnknownOperationException", f"no operation {operation!r}")

    def _endpoint(self, name: str) -> dict[str, Any]:
        found, definition = self.declared.find("endpoint", name), self.declared.define(name)
        capacity = self.endpoint(name).capacity
        variant = {
            "VariantName": definition.variant,
            "CurrentWeight": 1.0,
            "DesiredWeight": 1.0,
            "CurrentInstanceCount": capacity,
            "DesiredInstanceCount": capacity,
        }
        return {
            "EndpointName": name,
            "EndpointArn": self.arn("endpoint", name),
            "EndpointConfigName": definition.configuration,
            "EndpointStatus": "InService",
            "ProductionVariants": [variant],
            "CreationTime": found["Declared"],
            "LastModifiedTime": found["Declared"],
        }

    def _configuration(self, name: str) -> dict[str, Any]:
        found = self.declared.find("endpoint-config", name)
        described = {
            "EndpointConfigName": name,
            "EndpointConfigArn": self.arn("endpoint-config", name),
            "ProductionVariants": found["ProductionVariants"],
            "CreationTime": found["Declared"],
        }
        if asynchronous := found.get("AsyncInferenceConfig"):
            described["AsyncInferenceConfig"] = asynchronous
        return described


def reply(
    status: int, document: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> Reply:
    """Build a JSON reply."""
    said = {"Content-Type": "application/json", **(headers or {})}
    return status, said, json.dumps(document).encode()


def error_reply(status: int, code: str, message: str) -> Reply:
    """Build an error reply that both of SageMaker's protocols understand."""
    return reply(
        status, {"__type": code, "message": message, "Message": message}, {"x-amzn-errortype": code}
    )


def model_error(status: int, message: str) -> Reply:
    """Build the reply for an error of the container."""
    document = {
        "Message": f"Received an error ({status}) from the model",
        "OriginalMessage": message,
        "OriginalStatusCode": status,
    }
    return reply(424, document, {"x-amzn-errortype": "ModelError"})
