"""A server for `serval.client`: both clients get the same replies, without a network or a clock."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from serval.client import AsyncClient, Client, RetryPolicy

URL = "http://api/stage"


@dataclass
class ClientServer:
    """Answers calls by a function, and records them and the pauses between."""

    answer: Callable[[httpx.Request], httpx.Response]
    calls: list[httpx.Request] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    tries: int = 4

    def serve(self, request: httpx.Request) -> httpx.Response:
        self.calls.append(request)
        return self.answer(request)

    @property
    def seen(self) -> list[str]:
        """Method and path of each call, as the stage sees them."""
        return [f"{call.method} {call.url.raw_path.decode()}" for call in self.calls]

    @property
    def client(self) -> Client:
        policy = RetryPolicy(tries=self.tries, draw=lambda: 1.0)
        transport = httpx.MockTransport(self.serve)
        return Client(URL, "srv_key", policy=policy, transport=transport, sleep=self.pauses.append)


class AwaitedTransport(httpx.AsyncBaseTransport):
    """The same replies for the asynchronous client."""

    def __init__(self, serve: Callable[[httpx.Request], httpx.Response]) -> None:
        self.serve = serve

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        reply = self.serve(request)
        pieces: Any = reply.stream

        async def stream() -> AsyncIterator[bytes]:
            for piece in pieces:
                yield piece

        return httpx.Response(reply.status_code, headers=reply.headers, content=stream())


@dataclass
class AwaitedServer(ClientServer):
    """The same, asked by ``AsyncClient``; each call of its client runs a loop of its own."""

    @property
    def client(self) -> Any:
        return LoopClient(self)


@dataclass
class LoopClient:
    """Makes methods that wait of those that are awaited."""

    server: AwaitedServer

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*args: Any, **named: Any) -> Any:
            return asyncio.run(self._call(name, args, named))

        return call

    async def _call(self, name: str, args: Any, named: Any) -> Any:
        async def sleep(seconds: float) -> None:
            self.server.pauses.append(seconds)

        policy = RetryPolicy(tries=self.server.tries, draw=lambda: 1.0)
        transport = AwaitedTransport(self.server.serve)
        async with AsyncClient(
            URL, "srv_key", policy=policy, transport=transport, sleep=sleep
        ) as client:
            brought = getattr(client, name)(*args, **named)
            if hasattr(brought, "__aiter__"):
                return [each async for each in brought]
            return await brought
