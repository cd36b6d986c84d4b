"""The client whose methods wait."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from serval.client.asking import RetryPolicy
from serval.client.connection import NOWHERE, TIMEOUT_SECONDS, StageAddress, reply_of
from serval.client.failures import NoReply
from serval.client.flows import Flows
from serval.client.operations import Waiting, WaitingItems
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


class Client:
    """A client of a stage; use it in one thread or many, and close it at the end.

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

    models = Waiting(Flows.models)
    describe = Waiting(Flows.describe)
    infer = Waiting(Flows.infer)
    post_inference = Waiting(Flows.post_inference)
    call = Waiting(Flows.call)
    post_call = Waiting(Flows.post_call)
    submit = Waiting(Flows.submit)
    submit_call = Waiting(Flows.submit_call)
    wait_call = Waiting(Flows.wait_call)
    request = Waiting(Flows.request)
    follow = WaitingItems(Flows.follow)
    wait = Waiting(Flows.wait)
    result = Waiting(Flows.result)
    as_completed = WaitingItems(Flows.as_completed)
    requests = WaitingItems(Flows.requests)
    cancel = Waiting(Flows.cancel)
    retry = Waiting(Flows.retry)
    events = WaitingItems(Flows.events)
    stream = WaitingItems(Flows.stream)
    start_job = Waiting(Flows.start_job)
    preview_job = Waiting(Flows.preview_job)
    job = Waiting(Flows.job)
    jobs = Waiting(Flows.jobs)
    follow_job = WaitingItems(Flows.follow_job)
    wait_job = Waiting(Flows.wait_job)
    cancel_job = Waiting(Flows.cancel_job)
    retry_job = Waiting(Flows.retry_job)
    download_job = Waiting(Flows.download_job)
    download = Waiting(Flows.download)
    rollout = Waiting(Flows.rollout)
    wait_rollout = Waiting(Flows.wait_rollout)

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        timeout_seconds: float = TIMEOUT_SECONDS,
        policy: RetryPolicy | None = None,
        trust_environment: bool = True,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.stage = StageAddress.of(url, api_key, timeout_seconds)
        self.flows = Flows(policy or RetryPolicy())
        self._sleep = sleep
        self._http = httpx.Client(
            timeout=timeout_seconds, trust_env=trust_environment, transport=transport
        )

    def __enter__(self) -> Self:
        """Return the client, which is closed at the end."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the client."""
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def run(self, flow: Flow[T]) -> T:
        """Run a flow to its end, and return its result."""
        course = Course(flow)
        with WaitingSteps(self._http, self.stage, self._sleep) as steps:
            step = course.go_on()
            while step is not None:
                step = course.go_on(steps.take(step))
        return course.result

    def iterate(self, flow: ItemFlow[T]) -> Iterator[T]:
        """Run a flow, and yield its items."""
        course = Course(flow)
        with WaitingSteps(self._http, self.stage, self._sleep) as steps:
            step = course.go_on()
            while step is not None:
                if isinstance(step, Item):
                    yield step.value
                step = course.go_on(steps.take(step))


@dataclass
class WaitingSteps:
    """Takes the steps of one flow."""

    http: httpx.Client
    stage: StageAddress
    sleep: Callable[[float], None]
    _opened: httpx.Response | None = None
    _pieces: Iterator[bytes] = field(default_factory=lambda: iter(()))
    _call: Call = NOWHERE

    def __enter__(self) -> Self:
        """Return itself; what it has opened is closed at the end."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close what is open."""
        if self._opened is not None:
            self._opened.close()

    def take(self, step: TakenStep | Item[Any]) -> Reply | bytes | NoReply | None:
        """Take a step, and return what it brings: a ``NoReply`` if the connection fails."""
        try:
            match step:
                case Call():
                    return self._send(step)
                case Opening(call):
                    return self._open(call)
                case NextBytes():
                    return next(self._pieces, b"")
                case Pause(seconds):
                    self.sleep(seconds)
        except httpx.RequestError as error:
            return self.stage.explain(self._call, error)
        return None

    def _send(self, call: Call) -> Reply:
        self._call = call
        url, headers = self.stage.locate(call)
        answer = self.http.request(call.method, url, content=call.content, headers=headers)
        return reply_of(answer, answer.content)

    def _open(self, call: Call) -> Reply:
        self.__exit__()
        self._call = call
        url, headers = self.stage.locate(call)
        request = self.http.build_request(call.method, url, content=call.content, headers=headers)
        self._opened = self.http.send(request, stream=True, follow_redirects=True)
        if self._opened.is_error:
            return reply_of(self._opened, self._opened.read())
        self._pieces = self._opened.iter_raw()
        return reply_of(self._opened, b"")
