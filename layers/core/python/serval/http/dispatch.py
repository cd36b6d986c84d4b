"""Dispatch: which endpoint of a function answers a call."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from urllib.parse import unquote

from serval.errors import PathNotFound
from serval.http.call import HttpCall, Names


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method on one path; ``{name}`` in the path is one segment, or the start of one."""

    method: str
    template: str

    def match(self, segments: Sequence[str]) -> Names | None:
        """Return the path parameters, or None if this is another path."""
        own = self.template.rstrip("/").split("/")
        if len(own) != len(segments):
            return None
        names: dict[str, str] = {}
        for wanted, given in zip(own, segments, strict=True):
            name, _, rest = wanted[1:].partition("}")
            if wanted.startswith("{") and given.endswith(rest) and given != rest:
                names[name] = given.removesuffix(rest)
            elif wanted != given:
                return None
        return names

    def on(self, names: Names) -> str:
        """Write the endpoint as a client would, with the names filled in."""
        return f"{self.method} {self.template.format(**names)}"


def find_endpoint(endpoints: Iterable[Endpoint], call: HttpCall) -> tuple[Endpoint, HttpCall]:
    """Find the endpoint that answers a call, and return the call with its path parameters.

    A trailing slash makes no difference; the first match wins.

    Raises
    ------
    PathNotFound
        Naming the methods that the path does take.
    """
    path = call.path
    segments = [unquote(segment) for segment in path.rstrip("/").split("/")]
    nearest = []
    for endpoint in endpoints:
        names = endpoint.match(segments)
        if names is None:
            continue
        if endpoint.method == call.method:
            return endpoint, replace(call, names=names)
        nearest.append(endpoint.on(names))
    raise PathNotFound(call.method, path, nearest)
