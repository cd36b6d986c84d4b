"""The result of a request that has ended, or the error that it ended with."""

from collections.abc import Mapping

from serval.errors import (
    ContextTooLong,
    InvalidInputs,
    MalformedBody,
    RequestCancelled,
    RequestFailed,
    ServalError,
    UnsupportedFeature,
)
from serval.requests.ports import Payloads
from serval.requests.request import AsyncRequest

KINDS: Mapping[str, type[ServalError]] = {
    kind.__name__: kind for kind in (ContextTooLong, MalformedBody, UnsupportedFeature)
}
"""Errors of callers that are told apart; all others are ``InvalidInputs``."""


def read_result(request: AsyncRequest, payloads: Payloads) -> bytes:
    """Return the result of a request that has ended.

    Raises
    ------
    InvalidRequest, RequestCancelled, RequestFailed
        If it ended without one.
    """
    if request.status == "cancelled":
        raise RequestCancelled(request.id)
    if request.refused:
        raise KINDS.get(request.error_kind or "", InvalidInputs)(request.error or "")
    if request.status == "failed":
        raise RequestFailed(request.id, request.error or "no reason was given")
    result = payloads.get(request.response_key or "")
    if result is None:
        raise RequestFailed(request.id, "its result is gone")
    return result
