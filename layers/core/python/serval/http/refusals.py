"""Errors in the shapes that the clients of each protocol read; the path says which that is."""

import json
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from serval.errors import (
    ContextTooLong,
    InferenceFailed,
    InvalidInputs,
    ModelNotFound,
    ModelOnFleet,
    ModelVersionNotFound,
    NotAuthenticated,
    RateLimited,
    RequestCancelled,
    RequestFailed,
    ServalError,
    StillWaiting,
    UnsupportedFeature,
)
from serval.http.call import (
    JSON,
    HttpCall,
    Refuse,
    Reply,
    error_headers,
    refuse_in_text,
    text_reply,
)
from serval.protocol.content import media_type
from serval.short_repr import LIMIT_CHARACTERS, short_repr

CSV = "text/csv"
MLFLOW_TAKES = (JSON, CSV)
MLFLOW_CODES: Mapping[int, str] = {
    HTTPStatus.UNAUTHORIZED: "UNAUTHENTICATED",
    HTTPStatus.FORBIDDEN: "PERMISSION_DENIED",
    HTTPStatus.NOT_FOUND: "RESOURCE_DOES_NOT_EXIST",
    HTTPStatus.CONFLICT: "RESOURCE_CONFLICT",
    HTTPStatus.TOO_MANY_REQUESTS: "REQUEST_LIMIT_EXCEEDED",
    HTTPStatus.INTERNAL_SERVER_ERROR: "INTERNAL_ERROR",
    HTTPStatus.SERVICE_UNAVAILABLE: "TEMPORARILY_UNAVAILABLE",
}
"""Status → error code, as in MLflow's ``databricks.proto``; all others are ``BAD_REQUEST``."""
SAGEMAKER_TYPES: Mapping[int, str] = {
    HTTPStatus.UNAUTHORIZED: "UnrecognizedClientException",
    HTTPStatus.FORBIDDEN: "AccessDeniedException",
    HTTPStatus.FAILED_DEPENDENCY: "ModelError",
    HTTPStatus.TOO_MANY_REQUESTS: "ThrottlingException",
    HTTPStatus.INTERNAL_SERVER_ERROR: "InternalFailure",
    HTTPStatus.SERVICE_UNAVAILABLE: "ServiceUnavailable",
}
"""Status → error type of SageMaker's runtime; all others are ``ValidationError``."""
OPENAI = re.compile(r"(?:/models/[^/]+)?/v1/(?!models(?:/|$))")
"""How paths of OpenAI's API begin; it shares the list of models with V1."""
OPENAI_CODES: Mapping[type[ServalError], tuple[str | None, str]] = {
    ContextTooLong: (None, "context_length_exceeded"),
    ModelNotFound: ("model", "model_not_found"),
    ModelOnFleet: ("model", "model_not_found"),
    ModelVersionNotFound: ("model", "model_not_found"),
    NotAuthenticated: (None, "invalid_api_key"),
    RateLimited: (None, "rate_limit_exceeded"),
}
"""Error → the parameter that it is about, and its code."""


def refuse_by_path(error: ServalError, status: HTTPStatus, call: HttpCall) -> Reply:
    """Write an error in the shape of the protocol that the call speaks."""
    of_models = call.method == "GET" and call.path.startswith("/v1/models")
    if of_models or is_openai(call.path):
        return refuse_for_openai(error, status, call)
    return REFUSALS.get(call.path.split("/")[1], refuse_in_text)(error, status, call)


def is_openai(path: str) -> bool:
    """Return whether a path is one of OpenAI's API."""
    return OPENAI.match(path) is not None


def refuse_for_openai(error: ServalError, status: HTTPStatus, call: HttpCall) -> Reply:
    """Write an error as ``{"error": {"message", "type", "param", "code"}}``."""
    headers = {**error_headers(error, call)}
    # A second request would be a second piece of work: of what has had all its attempts, too.
    if isinstance(error, RequestCancelled | RequestFailed | StillWaiting):
        headers["x-should-retry"] = "false"
    return text_reply(status, json.dumps(describe_for_openai(error, status)), headers)


def describe_for_openai(error: ServalError, status: HTTPStatus) -> dict[str, Any]:
    """Return an error as OpenAI's clients read it."""
    kinds = (OPENAI_CODES[kind] for kind in type(error).__mro__ if kind in OPENAI_CODES)
    param, code = next(kinds, (getattr(error, "name", None), None))
    if param is not None and len(param) > LIMIT_CHARACTERS:
        param = short_repr(param)
    about = {
        "message": str(error),
        "type": "server_error" if status >= 500 else "invalid_request_error",
        "param": param,
        "code": code,
    }
    said = error.said if isinstance(error, InvalidInputs) else None
    return {"error": about | dict(said or {})}


def refuse_for_mlflow(error: ServalError, status: HTTPStatus, call: HttpCall) -> Reply:
    """Write an error as ``{"error_code": …, "message": …}``."""
    if isinstance(error, UnsupportedFeature) and declared_type(call) not in MLFLOW_TAKES:
        status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    document = {"error_code": MLFLOW_CODES.get(status, "BAD_REQUEST"), "message": str(error)}
    return text_reply(status, json.dumps(document), error_headers(error, call))


def refuse_for_sagemaker(error: ServalError, status: HTTPStatus, call: HttpCall) -> Reply:
    """Write an error as the AWS SDKs read it: its type in a header, a model's own as ModelError."""
    document: dict[str, Any] = {"Message": str(error)}
    # The SDKs repeat a call that is answered with 503, which would be a second piece of work.
    if isinstance(error, InferenceFailed | RequestFailed | StillWaiting):
        document |= {
            "ErrorCode": "INTERNAL_FAILURE_FROM_MODEL",
            "OriginalStatusCode": int(status),
            "OriginalMessage": str(error),
        }
        status = HTTPStatus.FAILED_DEPENDENCY
    kind = SAGEMAKER_TYPES.get(status, "ValidationError")
    headers = {"x-amzn-errortype": kind, **error_headers(error, call)}
    return text_reply(status, json.dumps(document), headers)


def declared_type(call: HttpCall) -> str:
    """Return the type of the body without its parameters; JSON unless it is declared."""
    return media_type(call.headers.get("content-type") or JSON)


REFUSALS: Mapping[str, Refuse] = {
    "endpoints": refuse_for_sagemaker,
    "mlflow": refuse_for_mlflow,
}
"""By the first segment of a path; all others have the shape of the Open Inference Protocol."""
