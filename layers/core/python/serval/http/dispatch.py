"""Events of API Gateway (payload format 2.0): their path after the stage, and who answers it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from serval.errors import PathNotFound

Event = Mapping[str, Any]
Reply = dict[str, Any]
Names = Mapping[str, str]
"""What a path's ``{name}`` segments stand for."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method on one path; ``{name}`` in the path is one segment of any text."""

    method: str
    template: str

    def match(self, segments: Sequence[str]) -> Names | None:
        """Give the path's names, or None if it is another path."""
        own = self.template.split("/")
        if len(own) != len(segments):
            return None
        names: dict[str, str] = {}
        for wanted, given in zip(own, segments, strict=True):
            if wanted.startswith("{") and given:
                names[wanted[1:-1]] = given
            elif wanted != given:
                return None
        return names

    def on(self, names: Names) -> str:
        """Write the endpoint as a client would, with the names filled in."""
        return f"{self.method} {self.template.format(**names)}"


def path_after_stage(event: Event) -> str:
    """Give the path without the stage, which prefixes it unless the stage is ``$default``."""
    path: str = event["rawPath"]
    prefix = f"/{event['requestContext']['stage']}"
    if path == prefix or path.startswith(prefix + "/"):
        path = path.removeprefix(prefix)
    return path or "/"


def find(endpoints: Iterable[Endpoint], method: str, path: str) -> tuple[Endpoint, Names]:
    """Find the endpoint for a method and a path, a trailing slash or not; the first one wins.

    Raises
    ------
    PathNotFound
        Naming the methods that the path does take.
    """
    segments = [unquote(segment) for segment in path.rstrip("/").split("/")]
    nearest = []
    for endpoint in endpoints:
        names = endpoint.match(segments)
        if names is None:
            continue
        if endpoint.method == method:
            return endpoint, names
        nearest.append(endpoint.on(names))
    raise PathNotFound(method, path, nearest)
