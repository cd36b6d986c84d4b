"""Metadata, readiness, statistics, health and the index, in each protocol's words.

``$default`` leads here too, so a path that nobody serves gets an error in the protocol's shape.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from serval.access.admission import Authenticator, KeyLookup
from serval.access.api_key import GATEWAY
from serval.errors import InvalidParameter, MalformedBody, PathNotFound
from serval.http import endpoints
from serval.http.aws_failures import translate_aws_failures
from serval.http.bodies import read_json_body
from serval.http.call import Event, HttpCall, Log, Reply, reply_to, text_reply
from serval.http.dispatch import Endpoint, find_endpoint
from serval.http.refusals import refuse_by_path
from serval.models.descriptions import Descriptions
from serval.models.metadata import server_metadata
from serval.models.registry import ModelRegistry
from serval.models.statistics import ModelStatistics
from serval.openapi.document import document
from serval.rollouts.standing import describe_for_callers
from serval.short_repr import short_repr

Answer = Callable[[Descriptions, HttpCall], Any]
MLFLOW_VERSION = "3.17.2"
"""The version of MLflow whose protocol is spoken."""


class Text(str):
    """An answer in plain text; all others are JSON."""


def repository_index(descriptions: Descriptions, call: HttpCall) -> list[dict[str, str]]:
    """List the versions; ``{"ready": true}`` asks for those that are ready, which all are.

    Raises
    ------
    MalformedBody, InvalidParameter
        If there is a body and it is not ``{"ready": true|false}``.
    """
    asked = read_json_body(call)
    if not isinstance(asked, dict):
        raise MalformedBody(f"the body is {short_repr(asked)}, an object such as {{}} expected")
    ready = asked.get("ready", False)
    if not isinstance(ready, bool):
        raise InvalidParameter("ready", ready, "true or false")
    return descriptions.index()


def model_answers(prefix: str) -> dict[Endpoint, Answer]:
    """Build the endpoints of a model, or of a version of it."""
    return {
        Endpoint("GET", prefix): lambda found, call: found.metadata(**call.names),
        Endpoint("GET", f"{prefix}/ready"): lambda found, call: found.readiness(**call.names),
        Endpoint("GET", f"{prefix}/config"): lambda found, call: found.config(**call.names),
        Endpoint("GET", f"{prefix}/stats"): lambda found, call: found.stats(**call.names),
    }


def model_rollout(descriptions: Descriptions, call: HttpCall) -> dict[str, Any]:
    """Describe how a model's running or last rollout stands."""
    descriptions.check(**call.names)
    return describe_for_callers(descriptions.registry, **call.names)


def mlflow_ping(descriptions: Descriptions, call: HttpCall) -> Text:
    """Answer a model's ping with an empty line, or raise ``ModelNotFound``."""
    descriptions.readiness(**call.names)
    return Text("\n")


ANSWERS: dict[Endpoint, Answer] = {
    Endpoint("GET", "/v2"): lambda *_: server_metadata(),
    Endpoint("GET", "/v2/health/live"): lambda *_: {"live": True},
    Endpoint("GET", "/v2/health/ready"): lambda *_: {"ready": True, "live": True},
    Endpoint("GET", "/v2/models"): lambda found, _: {"models": found.models()},
    Endpoint("GET", "/v2/models/stats"): lambda found, _: found.all_stats(),
    **model_answers("/v2/models/{model}"),
    **model_answers("/v2/models/{model}/versions/{version}"),
    Endpoint("GET", "/v2/models/{model}/rollout"): model_rollout,
    Endpoint("POST", "/v2/repository/index"): repository_index,
    Endpoint("GET", "/"): lambda *_: {"status": "alive"},
    Endpoint("GET", "/v1/models"): lambda found, _: found.listed_models(),
    Endpoint("GET", "/v1/models/{model}"): lambda found, call: found.listed_model(**call.names),
    Endpoint("GET", "/mlflow/{model}/ping"): mlflow_ping,
    Endpoint("GET", "/mlflow/{model}/health"): mlflow_ping,
    Endpoint("GET", "/mlflow/{model}/version"): lambda *_: Text(MLFLOW_VERSION),
    Endpoint("GET", "/openapi.json"): lambda *_: document(),
}
ELSEWHERE = (*endpoints.INFER, *(each for own in endpoints.FUNCTIONS.values() for each in own))
"""Endpoints of other functions, which errors name."""


@dataclass(frozen=True, slots=True)
class DescribeEndpoint:
    """Answers calls about the server and its models."""

    registry: ModelRegistry
    statistics: ModelStatistics
    authenticator: Authenticator | None
    """None: the gateway authenticates, and every model is in scope."""
    lookup: KeyLookup
    log: Log

    def reply(self, event: Event) -> Reply:
        """Answer an event of API Gateway."""
        return reply_to(event, self._answer, self.log, self.authenticator, refuse_by_path)

    @translate_aws_failures()
    def _answer(self, call: HttpCall) -> Reply:
        caller = GATEWAY
        if self.authenticator is not None:
            caller = self.authenticator.authenticate(call.headers, self.lookup)
        endpoint, call = find_endpoint((*ANSWERS, *ELSEWHERE), call)
        if endpoint in ELSEWHERE:
            raise PathNotFound(call.method, call.path, [endpoint.on(call.names)])
        descriptions = Descriptions(self.registry, self.statistics, caller.allows)
        answer = ANSWERS[endpoint](descriptions, call)
        if isinstance(answer, Text):
            return text_reply(HTTPStatus.OK, answer, {"content-type": "text/plain"})
        return text_reply(HTTPStatus.OK, json.dumps(answer))
