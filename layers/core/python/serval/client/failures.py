"""What may go wrong with a call, as exceptions with the server's own message."""

from collections.abc import Mapping
from typing import Any

from serval.client.steps import Reply

SHOWN_CHARACTERS = 300


class CallFailed(Exception):
    """A call has no answer; every exception of the client is one."""


class InvalidInput(CallFailed):
    """The data does not fit the model, as the client sees before it sends anything."""


class NoReply(CallFailed):
    """The server could not be reached, or the connection broke before it had answered."""

    def __init__(self, message: str, *, unsent: bool = False, slow: bool = False) -> None:
        super().__init__(message)
        self.unsent = unsent
        """Whether no connection was made, so the server cannot have begun."""
        self.slow = slow
        """Whether the time was over, and another try would take as long."""


class RefusedCall(CallFailed):
    """The server answered with an error."""

    def __init__(self, message: str, reply: Reply) -> None:
        super().__init__(f"{reply.status} {reply.phrase}: {message}")
        self.message, self.status = message, reply.status
        self.call_id = reply.headers.get("x-request-id")
        """As the stage's log has it."""
        self.retry_after_seconds = retry_after_seconds(reply)


class BadRequest(RefusedCall):
    """The caller's mistake: another call is needed (400, 413 and their like)."""


class Unauthorized(RefusedCall):
    """The API key is missing, unknown or revoked (401)."""


class Forbidden(RefusedCall):
    """The API key's scope does not include this (403)."""


class Missing(RefusedCall):
    """There is no such model, version, request or job (404)."""


class Conflict(RefusedCall):
    """Something else has this id, or the state does not allow it (409)."""


class TooManyCalls(RefusedCall):
    """The API key has used up its rate (429)."""


class ServerFailed(RefusedCall):
    """The server failed or is not ready (5xx); a repetition may help."""


class StillRunning(ServerFailed):
    """A model on a fleet did not answer in time; the work goes on as an async request."""

    def __init__(self, message: str, reply: Reply) -> None:
        super().__init__(message, reply)
        self.request_id = str(reply.headers["serval-request-id"])


class NotSucceeded(CallFailed):
    """An async request or a batch job has failed or was cancelled."""

    def __init__(self, what: str, document: Mapping[str, Any]) -> None:
        reason = f": {document['error']}" if document.get("error") else ""
        super().__init__(f"{what} {document.get('id', '')} is {document['status']}{reason}")
        self.document = document
        """As the API describes it."""


class NotEnded(CallFailed):
    """An async request, a batch job or a rollout has not ended, or not within a time limit."""


BY_STATUS: Mapping[int, type[RefusedCall]] = {
    401: Unauthorized,
    403: Forbidden,
    404: Missing,
    409: Conflict,
    429: TooManyCalls,
}


def failure_of(reply: Reply) -> RefusedCall:
    """Build the exception for a reply that is no answer."""
    kind = BY_STATUS.get(reply.status, ServerFailed if reply.status >= 500 else BadRequest)
    if kind is ServerFailed and "serval-request-id" in reply.headers:
        kind = StillRunning
    return kind(message_of(reply), reply)


def message_of(reply: Reply) -> str:
    """Return the message of an error, from Serval, another protocol's route or the gateway."""
    said = reply.json_object()
    if said is None:
        return reply.content.decode(errors="replace")[:SHOWN_CHARACTERS] or "no message"
    error = said.get("error") or said.get("message") or said
    return str(error.get("message") or error) if isinstance(error, dict) else str(error)


def retry_after_seconds(reply: Reply) -> float | None:
    """Return the seconds of ``Retry-After``, which Serval never writes as a date."""
    text = reply.headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() else None
