"""Deliver a callback: check whether it is due, call its receiver, record the answer."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol

from serval.clock import Clock, timestamp, utc_now
from serval.models.metadata import VERSION
from serval.requests.callbacks.addresses import AddressRefused, Resolve, choose_address, resolve
from serval.requests.callbacks.post import NoAnswer, post
from serval.requests.callbacks.sign import message_id, signature_headers
from serval.requests.callbacks.throttle import ReceiverThrottle
from serval.requests.callbacks.urls import CallbackUrl, read_callback_url
from serval.requests.document import Documents
from serval.requests.invocation import S3
from serval.requests.ports import RequestStore, WaitingTasks, change
from serval.requests.request import AsyncRequest

GONE = 410
"""The receiver wants no more callbacks."""
WriteOutput = Callable[[AsyncRequest], None]
"""Writes the answer of an ended request to where its ``callback_url``, of S3, says."""
Post = Callable[[CallbackUrl, str, Mapping[str, str], bytes], int]
"""Posts to an address and returns the status, or raises ``NoAnswer``."""


class Secrets(Protocol):
    """The callback secrets of API keys."""

    def callback_secret(self, key_hash: str) -> bytes:
        """Return the secret that signs a key's callbacks."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a callback was not accepted."""

    problem: str
    for_good: bool = False
    """Trying again is pointless."""
    called: bool = True
    """Whether the receiver was called at all."""


@dataclass(frozen=True, slots=True)
class DeliverCallback:
    """Delivers callbacks and records the outcome in the row."""

    store: RequestStore
    documents: Documents
    secrets: Secrets
    log: Callable[[str], object]
    tasks: WaitingTasks
    write_output: WriteOutput | None = None
    local: bool = False
    """Whether http and this machine are allowed, as on a laptop."""
    resolve: Resolve = resolve
    post: Post = post
    throttle: ReceiverThrottle = field(default_factory=ReceiverThrottle)
    clock: Clock = utc_now

    def deliver(self, request_id: str) -> bool:
        """Deliver the callback of a closed request, once; False: try again later."""
        request = self.store.find(request_id)
        if request is None or request.open or request.callback_sent is not None:
            return True
        refusal = None
        if request.task_token is not None:
            self.tasks.end(request.task_token)
        elif self.write_output is not None and (request.callback_url or "").startswith(S3):
            self.write_output(request)
        else:
            refusal = self._call(request)
        # A callback that merely waits is recorded once: the sweep then knows that it has a message.
        if refusal is None or refusal.called or request.callback_error is None:
            self._record(request, refusal)
        return refusal is None or refusal.for_good

    def register(self, request_id: str, token: str) -> bool:
        """Have a task ended when a request has, or at once if it has already."""
        request = self.store.find(request_id)
        if request is None or not change(self.store, request, partial(_with_task, token=token)):
            self.tasks.end(token)
        return True

    def _call(self, request: AsyncRequest) -> Refusal | None:
        """Call the receiver; return why it did not accept the callback, or None."""
        if request.callback_url is None or request.submitter is None:
            return Refusal("there is nobody to call, or no API key to sign it with", for_good=True)
        try:
            url = read_callback_url(request.callback_url, local=self.local)
        except ValueError as problem:
            return Refusal(f"{problem} expected", for_good=True)
        if objection := self.throttle.find_objection(request.submitter, url.host):
            return Refusal(f"it waits: {objection}", called=False)
        begun, answered = self.throttle.clock(), False
        try:
            status = self._post(request, request.submitter, url)
            answered = True
        except AddressRefused as refused:
            return Refusal(str(refused), for_good=True)
        except NoAnswer as problem:
            return Refusal(str(problem))
        except OSError as error:
            return Refusal(f"{url.host} cannot be looked up: {error}")
        finally:
            took = self.throttle.clock() - begun
            self.throttle.record(request.submitter, url.host, took, answered=answered)
        if 200 <= status < 300:
            return None
        return Refusal(f"it answered {status}", for_good=status == GONE)

    def _post(self, request: AsyncRequest, key_hash: str, url: CallbackUrl) -> int:
        address = choose_address(url.host, self.resolve(url.host, url.port), local=self.local)
        body = self.documents.describe(request).to_json().encode()
        return self.post(url, address, self._headers(request, key_hash, body), body)

    def _headers(self, request: AsyncRequest, key_hash: str, body: bytes) -> Mapping[str, str]:
        message = message_id(request.id, request.finished or "")
        moment = int(self.clock().timestamp())
        secret = self.secrets.callback_secret(key_hash)
        return {
            "content-type": "application/json",
            "user-agent": f"serval/{VERSION}",
            **signature_headers(secret, message, moment, body),
        }

    def _record(self, request: AsyncRequest, refusal: Refusal | None) -> None:
        """Write the outcome to the row, unless the request was retried since."""
        now = timestamp(self.clock())

        def with_outcome(row: AsyncRequest) -> AsyncRequest | None:
            if row.finished != request.finished:
                return None
            if refusal is None:
                return replace(row, callback_sent=now, callback_error=None)
            return replace(row, callback_error=refusal.problem)

        change(self.store, request, with_outcome)
        if refusal is not None:
            about = {"request": request.id, "callback": refusal.problem, "end": refusal.for_good}
            self.log(json.dumps({"level": "WARNING", **about}))


def _with_task(row: AsyncRequest, token: str) -> AsyncRequest | None:
    """Note the task that waits for an open request."""
    return replace(row, task_token=token) if row.open else None
