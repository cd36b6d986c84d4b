"""The client whose methods are awaited."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from serval.client.asking import RetryPolicy
from serval.client.connection import NOWHERE, TIMEOUT_SECONDS, StageAddress, reply_of
from serval.client.failures import NoReply
from serval.client.flows import Flows
from serval.client.operations import Awaiting, AwaitingItems
from serval.client.steps import (
    Call,
    Course,
    Flow,
    Item,
    ItemFlow,
    NextBytes,
    Opening,
    Pause,
    Reply,
    TakenStep,
)

T = TypeVar("T")


class AsyncClient:
    """A client of a stage, for asyncio; close it at the end.

    Parameters
    ----------
    url
        The stage's ``ApiUrl``, its path included.
    timeout_seconds
        How long a call may be without a byte.
    policy
        How calls are repeated.
    trust_environment
        Whether proxies and certificates are taken from environment variables.
    """

    models = Awaiting(Flows.models)
    describe = Awaiting(Flows.describe)
    infer = Awaiting(Flows.infer)
    post_inference = Awaiting(Flows.post_inference)
    call = Awaiting(Flows.call)
    post_call = Awaiting(Flows.post_call)
    submit = Awaiting(Flows.submit)
    submit_call = Awaiting(Flows.submit_call)
    wait_call = Awaiting(Flows.wait_call)
    request = Awaiting(Flows.request)
    follow = AwaitingItems(Flows.follow)
    wait = Awaiting(Flows.wait)
    result = Awaiting(Flows.result)
    as_completed = AwaitingItems(Flows.as_completed)
    requests = AwaitingItems(Flows.requests)
    cancel = Awaiting(Flows.cancel)
    retry = Awaiting(Flows.retry)
    events = AwaitingItems(Flows.events)
    stream = AwaitingItems(Flows.stream)
    start_job = Awaiting(Flows.start_job)
    preview_job = Awaiting(Flows.preview_job)
    job = Awaiting(Flows.job)
    jobs = Awaiting(Flows.jobs)
    follow_job = AwaitingItems(Flows.follow_job)
    wait_job = Awaiting(Flows.wait_job)
    cancel_job = Awaiting(Flows.cancel_job)
    retry_job = Awaiting(Flows.retry_job)
    download_job = Awaiting(Flows.download_job)
    download = Awaiting(Flows.download)
    rollout = Awaiting(Flows.rollout)
    wait_rollout = Awaiting(Flows.wait_rollout)

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        timeout_seconds: float = TIMEOUT_SECONDS,
        policy: RetryPolicy | None = None,
        trust_environment: bool = True,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.stage = StageAddress.of(url, api_key, timeout_seconds)
        self.flows = Flows(policy or RetryPolicy())
        self._sleep = sleep
        self._http = httpx.AsyncClient(
            timeout=timeout_seconds, trust_env=trust_environment, transport=transport
        )

    async def __aenter__(self) -> Self:
        """Return the client, which is closed at the end."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the client."""
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def run(self, flow: Flow[T]) -> T:
        """Run a flow to its end, and return its result."""
        course = Course(flow)
        async with AwaitingSteps(self._http, self.stage, self._sleep) as steps:
            step = course.go_on()
            while step is not None:
                step = course.go_on(await steps.take(step))
        return course.result

    async def iterate(self, flow: ItemFlow[T]) -> AsyncIterator[T]:
        """Run a flow, and yield its items."""
        course = Course(flow)
        async with AwaitingSteps(self._http, self.stage, self._sleep) as steps:
            step = course.go_on()
            while step is not None:
                if isinstance(step, Item):
                    yield step.value
                step = course.go_on(await steps.take(step))


@dataclass
class AwaitingSteps:
    """Takes the steps of one flow."""

    http: httpx.AsyncClient
    stage: StageAddress
    sleep: Callable[[float], Awaitable[None]]
    _opened: httpx.Response | None = None
    _pieces: AsyncIterator[bytes] | None = None
    _call: Call = NOWHERE

    async def __aenter__(self) -> Self:
        """Return itself; what it has opened is closed at the end."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close what is open."""
        if self._opened is not None:
            await self._opened.aclose()

    async def take(self, step: TakenStep | Item[Any]) -> Reply | bytes | NoReply | None:
        """Take a step, and return what it brings: a ``NoReply`` if the connection fails."""
        try:
            match step:
                case Call():
                    return await self._send(step)
                case Opening(call):
                    return await self._open(call)
                case NextBytes():
                    return b"" if self._pieces is None else await anext(self._pieces, b"")
                case Pause(seconds):
                    await self.sleep(seconds)
        except httpx.RequestError as error:
            return self.stage.explain(self._call, error)
        return None

    async def _send(self, call: Call) -> Reply:
        self._call = call
        url, headers = self.stage.locate(call)
        answer = await self.http.request(call.method, url, content=call.content, headers=headers)
        return reply_of(answer, answer.content)

    async def _open(self, call: Call) -> Reply:
        await self.__aexit__()
        self._call = call
        url, headers = self.stage.locate(call)
        request = self.http.build_request(call.method, url, content=call.content, headers=headers)
        self._opened = await self.http.send(request, stream=True, follow_redirects=True)
        if self._opened.is_error:
            return reply_of(self._opened, await self._opened.aread())
        self._pieces = self._opened.aiter_raw()
        return reply_of(self._opened, b"")
