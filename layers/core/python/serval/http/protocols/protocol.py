"""What a protocol does for a call: it reads what is asked, and writes the answer.

Errors are written by ``serval.http.refusals``, which functions that run no models share.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from serval.errors import ServalError
from serval.http.call import HttpCall
from serval.inference.loaded import Loaded
from serval.protocol.limits import RequestLimits

Answer = TypeVar("Answer")


# Neither is frozen: that would double the time it takes to make them, for each request.
@dataclass(slots=True)
class Written:
    """An answer in bytes."""

    body: bytes
    content_type: str
    remedy: Callable[[bool], str]
    """What a caller whose reply is too large can do, given whether the reply is compressed."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """The protocol's own, in lower case, beside the content type."""


@dataclass(slots=True)
class Asked(Generic[Answer]):
    """What a call asks of a loaded version."""

    run: Callable[[], Answer]
    """Answers it; raises ``InferenceFailed``, or ``InvalidRequest`` if the inputs are wrong."""
    write: Callable[[Answer], Written]


@dataclass(slots=True)
class AskedStream:
    """What a call asks of a loaded version, in pieces."""

    pieces: Iterator[bytes]
    """The answer's, the first of which raises what ``Asked.run`` raises."""
    write_error: Callable[[ServalError], bytes]
    """Writes what goes wrong after the first, for the protocol's clients."""
    end: bytes = b""
    """What the protocol ends a stream with."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """The protocol's own, in lower case; its content type if it sends no events."""


class WireProtocol(Protocol):
    """One protocol; modules implement it by their functions."""

    def address(self, call: HttpCall) -> tuple[str, str | None]:
        """Return the model that is called and the version; None: the route decides.

        It marks a call that wants a stream.

        Raises
        ------
        InvalidRequest
            If the call does not name a model.
        """

    def read(self, loaded: Loaded, call: HttpCall, limits: RequestLimits) -> Asked[Any]:
        """Read a call.

        Raises
        ------
        InvalidRequest
            If the body is not one of the protocol, or does not fit the version.
        PayloadTooLarge
            If it is over the limits.
        """


class StreamProtocol(Protocol):
    """A protocol whose answers may come in pieces."""

    def stream(self, loaded: Loaded, call: HttpCall, limits: RequestLimits) -> AskedStream:
        """Read a call that wants a stream; raise as ``WireProtocol.read`` does."""
