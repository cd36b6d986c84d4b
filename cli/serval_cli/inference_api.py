"""Metadata and inference over HTTP, as a client of the API."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import httpx

from serval.errors import InvalidRequest
from serval_cli.failures import CommandFailed
from serval_cli.http_api import HttpApi


@dataclass(frozen=True, slots=True)
class InferenceApi(HttpApi):
    """Metadata and inference over HTTP."""

    def metadata(self, model: str, version: str | None) -> dict[str, Any]:
        """Give the metadata of a version; without one of the stable version."""
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
        path = path_of(model, version) + "/infer"
        if find_spec("simdjson") is None:
            reply = self.ask("POST", path, request)
            return reply.json(), reply.headers
        # What imports numpy comes last: it takes as long as all else.
        from serval_cli.wire import packed, unpacked

        try:
            body, headers = packed(request)
        except InvalidRequest as error:
            raise CommandFailed(str(error)) from None
        reply = self.send("POST", path, body, headers)
        length = reply.headers.get("inference-header-content-length")
        return unpacked(reply.content, length), reply.headers


def path_of(model: str, version: str | None) -> str:
    """Give the path of a model, or of a version of it."""
    return f"/v2/models/{model}" + (f"/versions/{version}" if version else "")
