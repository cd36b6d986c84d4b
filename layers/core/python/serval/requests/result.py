"""The result of a request that has ended, or the error that it ended with."""

from serval.errors import RequestCancelled, RequestFailed
from serval.requests.ports import Payloads
from serval.requests.refusals import told_error
from serval.requests.request import AsyncRequest


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
        raise told_error(request.error_kind, request.error or "")
    if request.status == "failed":
        raise RequestFailed(request.id, request.error or "no reason was given")
    result = payloads.get(request.response_key or "")
    if result is None:
        raise RequestFailed(request.id, "its result is gone")
    return result
