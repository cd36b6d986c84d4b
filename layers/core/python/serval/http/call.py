"""Calls of the HTTP API: events of API Gateway (payload format 2.0), read once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from serval.protocol.content import body_of, inflate

Event = Mapping[str, Any]
Headers = Mapping[str, str]
"""Names in lower case."""
Names = Mapping[str, str]
"""Path parameters: the ``{name}`` segments of an endpoint, and what a call has there."""


@dataclass(frozen=True, slots=True)
class HttpCall:
    """One call, as its endpoint reads it."""

    event: Event
    headers: Headers
    names: Names

    @classmethod
    def from_event(cls, event: Event) -> "HttpCall":
        """Read an event."""
        headers = {name.lower(): value for name, value in event["headers"].items()}
        return cls(event, headers, event.get("pathParameters") or {})

    @property
    def id(self) -> str:
        """The gateway's id of the call."""
        request_id: str = self.event["requestContext"]["requestId"]
        return request_id

    @property
    def method(self) -> str:
        """The HTTP method."""
        method: str = self.event["requestContext"]["http"]["method"]
        return method

    @property
    def path(self) -> str:
        """The path without the stage, which prefixes it unless the stage is ``$default``."""
        path: str = self.event["rawPath"]
        prefix = f"/{self.event['requestContext']['stage']}"
        if path == prefix or path.startswith(prefix + "/"):
            path = path.removeprefix(prefix)
        return path or "/"

    @property
    def query(self) -> Mapping[str, str]:
        """The query parameters."""
        return self.event.get("queryStringParameters") or {}

    @property
    def model(self) -> str:
        """The model in the path; routes of one model alone spell its name out."""
        return self.names.get("model") or str(self.event["routeKey"].split("/")[3])

    @property
    def version(self) -> str | None:
        """The version asked for, in the path or a header; None: the route decides."""
        return self.names.get("version") or self.headers.get("serval-model-version")

    @property
    def affinity(self) -> str:
        """What keeps a caller on one version during a rollout; empty: nothing."""
        return self.headers.get("serval-affinity", "")

    @property
    def header_length(self) -> str | None:
        """``Inference-Header-Content-Length``; None: the body is JSON alone."""
        return self.headers.get("inference-header-content-length")

    def read_body(self, inflated_limit: int) -> str | bytes:
        """Return the body, neither base64 nor compressed.

        Raises
        ------
        MalformedBody
            If the body is empty or damaged.
        PayloadTooLarge
            If it is over the API's limits, or inflates to more than its own.
        """
        body = body_of(self.event.get("body"), bool(self.event.get("isBase64Encoded")))
        encoding = self.headers.get("content-encoding")
        return inflate(body, encoding, inflated_limit) if encoding else body
