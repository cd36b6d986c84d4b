"""Turn the flows of operations into methods of the two clients, typed as the flows are."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import wraps
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar

from serval.client.flows import Flows
from serval.client.steps import Flow, ItemFlow

P = ParamSpec("P")
T = TypeVar("T")


class WaitingClient(Protocol):
    """What methods that wait need of their client."""

    @property
    def flows(self) -> Flows:
        """The operations."""

    def run(self, flow: Flow[T]) -> T:
        """Run a flow to its end."""

    def iterate(self, flow: ItemFlow[T]) -> Iterator[T]:
        """Yield a flow's items."""


class AwaitingClient(Protocol):
    """What methods that are awaited need of their client."""

    @property
    def flows(self) -> Flows:
        """The operations."""

    def run(self, flow: Flow[T]) -> Awaitable[T]:
        """Run a flow to its end."""

    def iterate(self, flow: ItemFlow[T]) -> AsyncIterator[T]:
        """Yield a flow's items."""


class Bound(Generic[P, T]):
    """An operation, of which ``__get__`` of a subclass makes a method."""

    def __init__(self, flow: Callable[Concatenate[Any, P], T]) -> None:
        self.flow = flow
        self.__doc__ = flow.__doc__


class Waiting(Bound[P, Flow[T]]):
    """An operation as a method that waits."""

    def __get__(self, client: WaitingClient, owner: type) -> Callable[P, T]:
        """Return the method of a client."""

        @wraps(self.flow)
        def call(*args: P.args, **named: P.kwargs) -> T:
            return client.run(self.flow(client.flows, *args, **named))

        return call


class WaitingItems(Bound[P, ItemFlow[T]]):
    """An operation as a method that returns an iterator."""

    def __get__(self, client: WaitingClient, owner: type) -> Callable[P, Iterator[T]]:
        """Return the method of a client."""

        @wraps(self.flow)
        def call(*args: P.args, **named: P.kwargs) -> Iterator[T]:
            return client.iterate(self.flow(client.flows, *args, **named))

        return call


class Awaiting(Bound[P, Flow[T]]):
    """An operation as a method that is awaited."""

    def __get__(self, client: AwaitingClient, owner: type) -> Callable[P, Awaitable[T]]:
        """Return the method of a client."""

        @wraps(self.flow)
        def call(*args: P.args, **named: P.kwargs) -> Awaitable[T]:
            return client.run(self.flow(client.flows, *args, **named))

        return call


class AwaitingItems(Bound[P, ItemFlow[T]]):
    """An operation as a method that returns an asynchronous iterator."""

    def __get__(self, client: AwaitingClient, owner: type) -> Callable[P, AsyncIterator[T]]:
        """Return the method of a client."""

        @wraps(self.flow)
        def call(*args: P.args, **named: P.kwargs) -> AsyncIterator[T]:
            return client.iterate(self.flow(client.flows, *args, **named))

        return call
