"""The HTTP API of a stage, as a client of it."""

import json
from dataclasses import dataclass
from typing import Any

import httpx

from serval_cli.failures import CommandFailed

TIMEOUT_SECONDS = 60


@dataclass(frozen=True, slots=True)
class InferenceApi:
    """Metadata and inference over HTTP."""

    client: httpx.Client
    url: str
    """Without a slash at the end."""

    @classmethod
    def of(cls, url: str, api_key: str, *, trust_environment: bool) -> "InferenceApi":
        """Open a connection; the environment may name proxies and certificates."""
        if not (api_key.isascii() and api_key.isprintable()):
            raise CommandFailed("the API key has characters that no key has: copy it again")
        client = httpx.Client(
            headers={"authorization": f"Bearer {api_key.strip()}"},
            timeout=TIMEOUT_SECONDS,
            trust_env=trust_environment,
        )
        return cls(client, url)

    def metadata(self, model: str, version: str | None) -> dict[str, Any]:
        """Give the metadata of a version; without one of the stable version."""
        found: dict[str, Any] = self._answer("GET", self._path(model, version)).json()
        return found

    def infer(self, model: str, version: str | None, request: Any) -> httpx.Response:
        """Send a V2 inference request."""
        return self._answer("POST", self._path(model, version) + "/infer", request)

    def _path(self, model: str, version: str | None) -> str:
        return f"/v2/models/{model}" + (f"/versions/{version}" if version else "")

    def _answer(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """Send a request, or raise ``CommandFailed`` for anything but success."""
        content = None if body is None else json.dumps(body).encode()
        headers = {} if body is None else {"content-type": "application/json"}
        try:
            reply = self.client.request(method, self.url + path, content=content, headers=headers)
        except httpx.TimeoutException:
            raise CommandFailed(f"{self.url} did not answer within {TIMEOUT_SECONDS} s") from None
        except httpx.TransportError as error:
            raise CommandFailed(f"{self.url} does not answer: {error}") from None
        if reply.is_success and is_json(reply):
            return reply
        raise CommandFailed(f"{reply.status_code} {reply.reason_phrase}: {reason(reply)}")


def is_json(reply: httpx.Response) -> bool:
    """Tell whether a reply has a JSON object."""
    try:
        return isinstance(reply.json(), dict)
    except ValueError:
        return False


def reason(reply: httpx.Response) -> str:
    """Say why a request failed: Serval's own words, else the gateway's."""
    if is_json(reply):
        said = reply.json()
        return str(said.get("error") or said.get("message") or said)
    return reply.text[:300] or "no answer in words"
