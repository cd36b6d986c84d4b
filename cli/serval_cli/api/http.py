"""HTTP requests to a stage with an API key, and the errors they raise."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import httpx

from serval.models.storage import MODEL_NAME
from serval_cli.failures import CommandFailed

TIMEOUT_SECONDS = 60


class ApiUnavailable(CommandFailed):
    """The API did not answer or failed; a retry may help."""


class StillRunning(ApiUnavailable):
    """A call was not answered in time, and goes on as an async request."""

    def __init__(self, message: str, request_id: str) -> None:
        super().__init__(message)
        self.request_id = request_id


class NotFound(CommandFailed):
    """The API answered 404."""


FAILURES: dict[int, type[CommandFailed]] = {404: NotFound}


@dataclass(frozen=True, slots=True)
class HttpApi:
    """A connection to the API."""

    client: httpx.Client
    url: str
    """Without a slash at the end."""

    @classmethod
    def of(cls, url: str, api_key: str, *, trust_environment: bool) -> Self:
        """Open a connection.

        Parameters
        ----------
        trust_environment
            Whether proxies and certificates are taken from environment variables.
        """
        if not (api_key.isascii() and api_key.isprintable()):
            raise CommandFailed("the API key has characters that no key has: copy it again")
        client = httpx.Client(
            headers={"authorization": f"Bearer {api_key.strip()}"},
            timeout=TIMEOUT_SECONDS,
            trust_env=trust_environment,
        )
        return cls(client, url)

    def ask(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """Send a request that is answered with a JSON object.

        Raises
        ------
        CommandFailed
            With the API's message, for any other answer.
        """
        content = None if body is None else json.dumps(body).encode()
        headers = {} if body is None else {"content-type": "application/json"}
        reply = self.send(method, path, content, headers)
        if is_json(reply):
            return reply
        raise failure_of(reply)

    def send(
        self, method: str, path: str, content: bytes | None, headers: Mapping[str, str]
    ) -> httpx.Response:
        """Send a request, or raise ``CommandFailed`` as ``ask`` does."""
        try:
            reply = self.client.request(method, self.url + path, content=content, headers=headers)
        except httpx.TimeoutException:
            raise ApiUnavailable(f"{self.url} did not answer within {TIMEOUT_SECONDS} s") from None
        except httpx.TransportError as error:
            raise ApiUnavailable(f"{self.url} does not answer: {error}") from None
        if reply.is_success:
            return reply
        raise failure_of(reply)


def failure_of(reply: httpx.Response) -> CommandFailed:
    """Build the error for an unsuccessful reply from the API's message."""
    failure = FAILURES.get(
        reply.status_code, ApiUnavailable if reply.is_server_error else CommandFailed
    )
    message = f"{reply.status_code} {reply.reason_phrase}: {reason(reply)}"
    request_id = reply.headers.get("serval-request-id")
    return failure(message) if request_id is None else StillRunning(message, request_id)


def is_json(reply: httpx.Response) -> bool:
    """Return whether a reply's body is a JSON object."""
    try:
        return isinstance(reply.json(), dict)
    except ValueError:
        return False


def reason(reply: httpx.Response) -> str:
    """Return the error message of a reply, from Serval or the gateway."""
    if is_json(reply):
        said = reply.json()
        return str(said.get("error") or said.get("message") or said)
    return reply.text[:300] or "no message"


def check_model_name(name: str) -> None:
    """Raise ``CommandFailed`` for a name that no model can have."""
    if not MODEL_NAME.fullmatch(name):
        raise CommandFailed(f"{name!r} is not a model name: `serval models` lists the models")
