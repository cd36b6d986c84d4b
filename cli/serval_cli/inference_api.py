"""Metadata and inference over HTTP, as a client of the API."""

from dataclasses import dataclass
from typing import Any

import httpx

from serval.errors import InvalidRequest
from serval_cli.failures import CommandFailed
from serval_cli.http_api import HttpApi
from serval_cli.wire import packed


@dataclass(frozen=True, slots=True)
class InferenceApi(HttpApi):
    """Metadata and inference over HTTP."""

    def metadata(self, model: str, version: str | None) -> dict[str, Any]:
        """Give the metadata of a version; without one of the stable version."""
        found: dict[str, Any] = self.ask("GET", path_of(model, version)).json()
        return found

    def infer(self, model: str, version: str | None, request: Any) -> httpx.Response:
        """Send a V2 inference request.

        Raises
        ------
        CommandFailed
            If the request does not fit the model, or for anything else but success.
        """
        try:
            body, headers = packed(request)
        except InvalidRequest as error:
            raise CommandFailed(str(error)) from None
        return self.send("POST", path_of(model, version) + "/infer", body, headers)


def path_of(model: str, version: str | None) -> str:
    """Give the path of a model, or of a version of it."""
    return f"/v2/models/{model}" + (f"/versions/{version}" if version else "")
