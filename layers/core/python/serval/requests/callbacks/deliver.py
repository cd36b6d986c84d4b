"""Delivering a callback: is it due, whom does it go to, what does the answer mean."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from serval.clock import Clock, timestamp, utc_now
from serval.models.metadata import VERSION
from serval.requests.callbacks.addresses import AddressRefused, Resolve, choose, resolve
from serval.requests.callbacks.post import NoAnswer, post
from serval.requests.callbacks.sign import message_id, signature_headers
from serval.requests.callbacks.throttle import ReceiverPatience
from serval.requests.callbacks.urls import CallbackUrl, read_callback_url
from serval.requests.document import Documents
from serval.requests.ports import RequestStore, change
from serval.requests.request import AsyncRequest

GONE = 410
"""The receiver wants no callbacks any more."""
Post = Callable[[CallbackUrl, str, Mapping[str, str], bytes], int]
"""Posts to an address and gives the status, or raises ``NoAnswer``."""


class Secrets(Protocol):
    """Where the secrets of API keys are kept."""

    def callback_secret(self, key_hash: str) -> bytes:
        """Give the secret that signs a key's callbacks."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a callback was not accepted."""

    problem: str
    for_good: bool = False
    """Trying again is of no use."""
    called: bool = True
    """Whether its receiver was called at all."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """Calls back, and notes on the row what became of it."""

    store: RequestStore
    documents: Documents
    secrets: Secrets
    log: Callable[[str], object]
    local: bool = False
    """Whether http and this machine are allowed, as on a laptop."""
    resolve: Resolve = resolve
    post: Post = post
    patience: ReceiverPatience = field(default_factory=ReceiverPatience)
    clock: Clock = utc_now

    def deliver(self, request_id: str) -> bool:
        """Call back about a closed request, once; False: it is to be tried again."""
        request = self.store.find(request_id)
        if request is None or request.open or request.callback_sent is not None:
            return True
        refusal = self._call(request)
        # What merely waits is noted once, so that the sweep knows that it has a message.
        if refusal is None or refusal.called or request.callback_error is None:
            self._note(request, refusal)
        return refusal is None or refusal.for_good

    def _call(self, request: AsyncRequest) -> Refusal | None:
        """Call; gives why it was not accepted."""
        if request.callback_url is None or request.submitter is None:
            return Refusal("there is nobody to call, or no API key to sign it with", for_good=True)
        try:
            url = read_callback_url(request.callback_url, local=self.local)
        except ValueError as problem:
            return Refusal(f"{problem} expected", for_good=True)
        if objection := self.patience.objection(request.submitter, url.host):
            return Refusal(f"it waits: {objection}", called=False)
        begun, answered = self.patience.clock(), False
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
            took = self.patience.clock() - begun
            self.patience.note(request.submitter, url.host, took, answered=answered)
        if 200 <= status < 300:
            return None
        return Refusal(f"it answered {status}", for_good=status == GONE)

    def _post(self, request: AsyncRequest, key_hash: str, url: CallbackUrl) -> int:
        address = choose(url.host, self.resolve(url.host, url.port), local=self.local)
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

    def _note(self, request: AsyncRequest, refusal: Refusal | None) -> None:
        """Write what became of it to the row, unless the request was retried meanwhile."""
        now = timestamp(self.clock())

        def noted(row: AsyncRequest) -> AsyncRequest | None:
            if row.finished != request.finished:
                return None
            if refusal is None:
                return replace(row, callback_sent=now, callback_error=None)
            return replace(row, callback_error=refusal.problem)

        change(self.store, request, noted)
        if refusal is not None:
            said = {"request": request.id, "callback": refusal.problem, "end": refusal.for_good}
            self.log(json.dumps({"level": "WARNING", **said}))
