"""A client of the API's metadata and inference endpoints."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import httpx

from serval.errors import InvalidRequest
from serval_cli.api.http import HttpApi, NotFound
from serval_cli.failures import CommandFailed
from serval_cli.suggestion import did_you_mean

ENDED = frozenset({"succeeded", "failed", "cancelled"})
ASK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class InferenceApi(HttpApi):
    """Fetches metadata, and sends requests to be answered at once or later."""

    def metadata(self, model: str, version: str | None) -> dict[str, Any]:
        """Fetch the metadata of a version, by default the stable one."""
        with self._guessing(model):
            found: dict[str, Any] = self.ask("GET", path_of(model, version)).json()
            return found

    def infer(
        self, model: str, version: str | None, request: Mapping[str, Any]
    ) -> tuple[dict[str, Any], httpx.Headers]:
        """Send an inference request and return the response as JSON, with its headers.

        Large tensors travel in binary where the libraries for that are installed.

        Raises
        ------
        CommandFailed
            If the request does not fit the model, or the API answers with an error.
        """
        with self._guessing(model):
            reply = self._post(path_of(model, version) + "/infer", request)
        if find_spec("simdjson") is None:
            return reply.json(), reply.headers
        from serval_cli.api.wire import decode_response

        length = reply.headers.get("inference-header-content-length")
        return decode_response(reply.content, length), reply.headers

    def call_task(
        self, model: str, version: str | None, content: bytes, content_type: str
    ) -> httpx.Response:
        """Send an input of the model's task; the answer is JSON, or the bytes of a file."""
        path = path_of(model, version).removeprefix("/v2")
        with self._guessing(model):
            return self.send("POST", path, content, {"content-type": content_type})

    def submit(self, model: str, version: str | None, request: Mapping[str, Any]) -> str:
        """Submit an async request, ask for a JSON result, and return the request's id."""
        path = path_of(model, version).replace("/v2/", "/async/", 1)
        wishes = {"binary_data_output": False, **request.get("parameters", {})}
        return str(self._post(path + "/infer", {**request, "parameters": wishes}).json()["id"])

    def _post(self, path: str, request: Mapping[str, Any]) -> httpx.Response:
        if find_spec("simdjson") is None:
            return self.ask("POST", path, request)
        # Imported late: numpy takes as long to import as everything else.
        from serval_cli.api.wire import encode_request

        try:
            body, headers = encode_request(request)
        except InvalidRequest as error:
            raise CommandFailed(str(error)) from None
        return self.send("POST", path, body, headers)

    def await_result(
        self,
        request_id: str,
        say: Callable[[str], None],
        pause: Callable[[float], None] = time.sleep,
    ) -> Any:
        """Wait until an async request has ended and return its inference response.

        Raises
        ------
        CommandFailed
            If the request failed or was cancelled.
        """
        status = ""
        while status not in ENDED:
            if status:
                pause(ASK_SECONDS)
            found = self.ask("GET", f"/async/requests/{request_id}").json()
            if found["status"] != status:
                status = found["status"]
                say(f"request {request_id} is {status}")
        if status != "succeeded":
            raise CommandFailed(
                f"request {request_id} is {status}: {found.get('error') or 'no reason'}"
            )
        if found.get("response"):
            return found["response"]
        if "response_header_length" in found:
            raise CommandFailed(
                f"request {request_id} is answered with bytes, of which the first "
                f"{found['response_header_length']} are JSON: {found['response_url']}"
            )
        return self._fetch(found["response_url"])

    def _fetch(self, url: str) -> Any:
        """Fetch a result that was too large for the reply, from its presigned URL."""
        reply = httpx.get(url, timeout=self.client.timeout, trust_env=self.client.trust_env)
        if not reply.is_success:
            raise CommandFailed(f"the result could not be fetched ({reply.status_code}): {url}")
        return reply.json()

    @contextmanager
    def _guessing(self, model: str) -> Iterator[None]:
        """Suggest a similar model name when the model is unknown."""
        try:
            yield
        except NotFound as absent:
            try:
                known = self.ask("GET", "/v2/models").json().get("models", [])
            except CommandFailed:
                raise absent from None
            meant = "" if model in known else did_you_mean(model, known)
            raise NotFound(f"{absent}{meant}") from None


def path_of(model: str, version: str | None) -> str:
    """Build the URL path of a model or of one version."""
    return f"/v2/models/{model}" + (f"/versions/{version}" if version else "")
