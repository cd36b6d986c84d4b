"""Metadata, readiness, statistics, health and the index: an event in, a reply out.

``$default`` leads here too, so a path that nobody serves gets an error in the protocol's shape.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from serval.access.authentication import Authenticator, KeyLookup
from serval.errors import InvalidParameter, MalformedBody, PathNotFound, ServalError, short_repr
from serval.http import async_endpoints, batch_endpoints
from serval.http.aws_failures import aws_failures_as_ours
from serval.http.bodies import json_body
from serval.http.dispatch import Endpoint, Event, Names, Reply, find, path_after_stage
from serval.http.replies import error_reply, text_reply
from serval.models.descriptions import Descriptions
from serval.models.metadata import server_metadata
from serval.models.registry import ModelRegistry
from serval.models.statistics import ModelStatistics
from serval.openapi.document import document


@dataclass(frozen=True, slots=True)
class Call:
    """One request of a caller who was let in."""

    descriptions: Descriptions
    names: Names
    headers: Names
    event: Event


Answer = Callable[[Call], Any]


def repository_index(call: Call) -> list[dict[str, str]]:
    """List the versions; ``{"ready": true}`` asks for those that are ready, which all are.

    Raises
    ------
    MalformedBody, InvalidParameter
        If there is a body and it is not ``{"ready": true|false}``.
    """
    asked = body_document(call)
    ready = asked.get("ready", False)
    if not isinstance(ready, bool):
        raise InvalidParameter("ready", ready, "true or false")
    return call.descriptions.index()


def body_document(call: Call) -> dict[str, Any]:
    """Read the JSON object in a body; no body is an empty object."""
    asked = json_body(call.event, call.headers)
    if not isinstance(asked, dict):
        raise MalformedBody(f"the body is {short_repr(asked)}, an object such as {{}} expected")
    return asked


def model_answers(prefix: str) -> dict[Endpoint, Answer]:
    """Give the endpoints of a model, or of a version of it."""
    return {
        Endpoint("GET", prefix): lambda call: call.descriptions.metadata(**call.names),
        Endpoint("GET", f"{prefix}/ready"): lambda call: call.descriptions.readiness(**call.names),
        Endpoint("GET", f"{prefix}/config"): lambda call: call.descriptions.config(**call.names),
        Endpoint("GET", f"{prefix}/stats"): lambda call: call.descriptions.stats(**call.names),
    }


MODEL = "/v2/models/{model}"
MODEL_VERSION = "/v2/models/{model}/versions/{version}"
ANSWERS: dict[Endpoint, Answer] = {
    Endpoint("GET", "/v2"): lambda _: server_metadata(),
    Endpoint("GET", "/v2/health/live"): lambda _: {"live": True},
    Endpoint("GET", "/v2/health/ready"): lambda _: {"ready": True, "live": True},
    Endpoint("GET", "/v2/models"): lambda call: {"models": call.descriptions.models()},
    Endpoint("GET", "/v2/models/stats"): lambda call: call.descriptions.all_stats(),
    **model_answers(MODEL),
    **model_answers(MODEL_VERSION),
    Endpoint("POST", "/v2/repository/index"): repository_index,
    Endpoint("GET", "/openapi.json"): lambda _: document(),
}
ELSEWHERE = (
    Endpoint("POST", f"{MODEL}/infer"),
    Endpoint("POST", f"{MODEL_VERSION}/infer"),
    *async_endpoints.SUBMIT,
    *async_endpoints.REQUESTS,
    *batch_endpoints.ENDPOINTS,
)
"""Endpoints of other functions: known here to be named in errors."""


@dataclass(frozen=True, slots=True)
class DescribeEndpoint:
    """Everything that answering a description's event takes."""

    registry: ModelRegistry
    statistics: ModelStatistics
    authenticator: Authenticator | None
    """None: the gateway authenticates, and every model is in scope."""
    lookup: KeyLookup
    log: Callable[[str], object]

    def reply(self, event: Event) -> Reply:
        """Answer an event of API Gateway, payload format 2.0."""
        try:
            with aws_failures_as_ours():
                return text_reply(HTTPStatus.OK, json.dumps(self._document(event)))
        except ServalError as error:
            return error_reply(error, self.log, event, self.authenticator)

    def _document(self, event: Event) -> Any:
        headers = {name.lower(): value for name, value in event["headers"].items()}
        descriptions = Descriptions(self.registry, self.statistics, self._scope(headers))
        method, path = event["requestContext"]["http"]["method"], path_after_stage(event)
        endpoint, names = find((*ANSWERS, *ELSEWHERE), method, path)
        if endpoint in ELSEWHERE:
            raise PathNotFound(method, path, [endpoint.on(names)])
        return ANSWERS[endpoint](Call(descriptions, names, headers, event))

    def _scope(self, headers: Names) -> Callable[[str], bool]:
        """Let the caller in, and give what tells whether a model is in its scope."""
        if self.authenticator is None:
            return lambda _: True
        return self.authenticator.authenticate(headers, self.lookup).allows
