"""Metadata and inference over HTTP, as a client of the API."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import httpx

from serval.errors import InvalidRequest
from serval_cli.api.http import HttpApi, NotThere
from serval_cli.failures import CommandFailed
from serval_cli.suggestion import did_you_mean

ENDED = frozenset({"succeeded", "failed", "cancelled"})
ASK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class InferenceApi(HttpApi):
    """Metadata and inference over HTTP."""

    def metadata(self, model: str, version: str | None) -> dict[str, Any]:
        """Give the metadata of a version; without one of the stable version."""
        with self._guessing(model):
            found: dict[str, Any] = self.ask("GET", path_of(model, version)).json()
            return found

    def infer(
        self, model: str, version: str | None, request: Mapping[str, Any]
    ) -> tuple[dict[str, Any], httpx.Headers]:
        """Send a V2 inference request; gives the answer as JSON has it, and its headers.

        What is large travels as binary tensors, where the libraries for them are installed.

        Raises
        ------
        CommandFailed
            If the request does not fit the model, or for anything else but success.
        """
        with self._guessing(model):
            reply = self._post(path_of(model, version) + "/infer", request)
        if find_spec("simdjson") is None:
            return reply.json(), reply.headers
        from serval_cli.api.wire import unpacked

        length = reply.headers.get("inference-header-content-length")
        return unpacked(reply.content, length), reply.headers

    def submit(self, model: str, version: str | None, request: Mapping[str, Any]) -> str:
        """Submit an async request, whose result is to be JSON; gives its id."""
        path = path_of(model, version).replace("/v2/", "/async/", 1)
        wishes = {"binary_data_output": False, **request.get("parameters", {})}
        return str(self._post(path + "/infer", {**request, "parameters": wishes}).json()["id"])

    def _post(self, path: str, request: Mapping[str, Any]) -> httpx.Response:
        if find_spec("simdjson") is None:
            return self.ask("POST", path, request)
        # What imports numpy comes last: it takes as long as all else.
        from serval_cli.api.wire import packed

        try:
            body, headers = packed(request)
        except InvalidRequest as error:
            raise CommandFailed(str(error)) from None
        return self.send("POST", path, body, headers)

    def await_result(
        self,
        request_id: str,
        say: Callable[[str], None],
        pause: Callable[[float], None] = time.sleep,
    ) -> Any:
        """Wait until an async request has ended; gives its V2 inference response.

        Raises
        ------
        CommandFailed
            If it failed or was cancelled.
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
        return found["response"] if found.get("response") else self._fetch(found["response_url"])

    def _fetch(self, url: str) -> Any:
        """Fetch a result that is too large for a reply; its URL needs no key."""
        reply = httpx.get(url, timeout=self.client.timeout, trust_env=self.client.trust_env)
        if not reply.is_success:
            raise CommandFailed(f"the result is not to be had ({reply.status_code}): {url}")
        return reply.json()

    @contextmanager
    def _guessing(self, model: str) -> Iterator[None]:
        """Say which model may have been meant, where there is none of that name."""
        try:
            yield
        except NotThere as absent:
            try:
                known = self.ask("GET", "/v2/models").json().get("models", [])
            except CommandFailed:
                raise absent from None
            meant = "" if model in known else did_you_mean(model, known)
            raise NotThere(f"{absent}{meant}") from None


def path_of(model: str, version: str | None) -> str:
    """Give the path of a model, or of a version of it."""
    return f"/v2/models/{model}" + (f"/versions/{version}" if version else "")
