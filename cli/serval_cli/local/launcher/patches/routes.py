"""Find the route of a request to an HTTP API: of OPTIONS without CORS as AWS does, and fast.

The emulator makes a regular expression of every route for every request, twice.
"""

from functools import lru_cache
from typing import Any

from serval_cli.local.launcher.emulator import Emulator

NAMES = ("apigateway/_apis", "apigateway/_handle_execute_in_scope", "apigateway/_path_matches")
REMEMBERED = 20_000
"""Pairs of a route and a path: whether they match."""


class PlainMethod(str):
    """A method name that the emulator does not recognise as a preflight's."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        """Differ from the literal that the emulator compares with."""
        return False

    __hash__ = str.__hash__


def apply(emulator: Emulator) -> None:
    """Route OPTIONS like any other method if the API has no CORS settings; remember matches."""
    gateway = emulator.apigateway
    gateway._path_matches = lru_cache(REMEMBERED)(gateway._path_matches)
    execute = gateway._handle_execute_in_scope

    async def execute_plainly(api_id: str, stage: str, path: str, method: str, *others: Any) -> Any:
        cors = (gateway._apis.get(api_id) or {}).get("corsConfiguration")
        if method == "OPTIONS" and not cors:
            method = PlainMethod(method)
        return await execute(api_id, stage, path, method, *others)

    gateway._handle_execute_in_scope = execute_plainly
