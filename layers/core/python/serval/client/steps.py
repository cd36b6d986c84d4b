"""What a client does, step by step, apart from how: the steps of both clients.

An operation is a generator, a ``Flow``: it yields steps, is sent what each brought, and returns the
result. ``Client`` and ``AsyncClient`` take the same steps, one waiting and one awaiting.
"""

import json
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Generic, TypeAlias, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request; what it brings is a ``Reply``."""

    method: str
    path: str
    """Below the stage's URL; or a URL elsewhere, which does not get the API key."""
    content: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool = True
    """Whether it may be sent again if nobody knows whether it arrived."""

    @classmethod
    def with_json(
        cls, method: str, path: str, body: Any, headers: Mapping[str, str] | None = None
    ) -> "Call":
        """Make a call whose body is JSON."""
        own = {"content-type": "application/json", **(headers or {})}
        return cls(method, path, json.dumps(body).encode(), own)

    @property
    def goes_elsewhere(self) -> bool:
        """Whether it goes to another server than the stage's."""
        return not self.path.startswith("/")


@dataclass(frozen=True, slots=True)
class Pause:
    """A pause of some seconds, after which nothing is brought."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Opening:
    """A call whose reply is read bit by bit; it brings a ``Reply`` without content."""

    call: Call


@dataclass(frozen=True, slots=True)
class NextBytes:
    """The next bytes of the reply that was opened last; none at its end."""


@dataclass(frozen=True, slots=True)
class Item(Generic[T]):
    """Something for the caller, of a flow that is iterated."""

    value: T


TakenStep: TypeAlias = Call | Pause | Opening | NextBytes
Flow: TypeAlias = Generator[TakenStep, Any, T]
ItemFlow: TypeAlias = Generator[TakenStep | Item[T], Any, None]


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answered."""

    status: int
    headers: Mapping[str, str]
    """By lower-case name."""
    content: bytes = b""

    @property
    def ok(self) -> bool:
        """Whether it is an answer, and no error."""
        return 200 <= self.status < 300

    @property
    def phrase(self) -> str:
        """What the status means."""
        return HTTPStatus(self.status).phrase if self.status in set(HTTPStatus) else ""

    def json_object(self) -> dict[str, Any] | None:
        """Return the content if it is a JSON object, else None."""
        try:
            found = json.loads(self.content)
        except ValueError:
            return None
        return found if isinstance(found, dict) else None


class Course(Generic[T]):
    """A flow on its way: what it is sent, and what it comes to."""

    def __init__(self, flow: Generator[TakenStep | Item[Any], Any, T]) -> None:
        self.flow = flow
        self.result: T
        """There once a step is None."""

    def go_on(self, brought: object = None) -> TakenStep | Item[Any] | None:
        """Send what the last step brought, or raise it in the flow, and return the next step."""
        try:
            if isinstance(brought, Exception):
                return self.flow.throw(brought)
            return self.flow.send(brought)
        except StopIteration as end:
            self.result = end.value
            return None
