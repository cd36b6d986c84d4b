"""Inference calls of models on fleets, in whatever protocol they come.

The reply is the protocol's own, 200 or an error: the function submits an async request and waits
for it. A request that takes longer goes on, and the error names it.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import cast

from serval.access.admission import Admission, SubmitLimit
from serval.access.api_key import Caller
from serval.errors import StillWaiting
from serval.http.aws_failures import translate_aws_failures
from serval.http.bodies import SentBody, read_sent_body
from serval.http.call import JSON, Event, HttpCall, Log, Reply, reply_to
from serval.http.distant import as_loaded
from serval.http.events import cancels
from serval.http.protocols import v2
from serval.http.protocols.choose import choose_protocol, find_address
from serval.http.protocols.protocol import StreamProtocol, WireProtocol
from serval.http.protocols.redirect import StreamRedirect
from serval.http.refusals import refuse_by_path
from serval.http.replies import sized_reply
from serval.http.streams import open_stream
from serval.models.route import Route
from serval.models.signature import TensorSpec
from serval.models.tensor import Tensor
from serval.models.version import ModelVersion
from serval.protocol.client import read_response, write_request
from serval.protocol.events import closing_source
from serval.protocol.limits import MOST, RequestLimits
from serval.requests.ports import Payloads
from serval.requests.request import AsyncRequest
from serval.requests.result import read_result
from serval.requests.stream.live import RESULT, LiveText, ReadLive
from serval.requests.submit.submission import Submission
from serval.requests.submit.submit import Submit
from serval.requests.wait import Wait
from serval.tasks.openai.document import asks_beyond_text

WAIT_SECONDS = 25.0
"""The gateway gives up after 30 s; the rest is for submitting and for reading the result."""
REQUEST = "serval-request-id"
"""Names the request that a call has become."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitEndpoint:
    """Answers inference calls of fleet models."""

    admission: Admission
    rate_limit: SubmitLimit
    submit: Submit
    wait: Wait
    payloads: Payloads
    log: Log
    redirect: StreamRedirect | None = None
    """Where calls go that want a text as it is written."""
    live: ReadLive | None = None
    """What reads texts as they are written, where replies may have pieces."""
    limits: RequestLimits = MOST
    clock: Callable[[], float] = time.monotonic

    def reply(self, event: Event) -> Reply:
        """Answer an event of API Gateway."""
        return reply_to(event, self.answer, self.log, self.admission.authenticator, refuse_by_path)

    @translate_aws_failures()
    def answer(self, call: HttpCall) -> Reply:
        """Submit what is asked, and reply once it is answered, or, in pieces, as it is written."""
        begun = self.clock()
        protocol = choose_protocol(call.path)
        model, version = find_address(call, protocol, self.admission)
        caller, route = self.admission.admit(call.headers, model, call.key_hash)
        waiting = WaitingCall(self, call, model, version, caller, route, begun)
        goes_live = call.wants_stream and not call.wants_texts and self._can_stream(waiting)
        if goes_live and self.redirect is not None:
            return self.redirect.reply(call, caller)
        self.rate_limit.take(caller)
        if goes_live and self.live is not None:
            return self._stream(cast(StreamProtocol, protocol), waiting, self.live)
        if protocol is v2:
            return self._reply_as_stored(waiting)
        return self._reply_in(protocol, waiting)

    def _can_stream(self, waiting: "WaitingCall") -> bool:
        """Return whether the version writes texts where they can be read meanwhile.

        Of what an inference server writes, a stream has the text alone.
        """
        record, document = waiting.record, waiting.call.document or {}
        if record.has_openai_server and asks_beyond_text(document):
            return False
        return self.submit.checks.can_stream(record)

    def _stream(self, protocol: StreamProtocol, waiting: "WaitingCall", reading: ReadLive) -> Reply:
        """Reply with pieces, the first of which has come."""
        loaded = as_loaded(waiting.record, waiting.send, partial(waiting.begin, reading))
        asked = protocol.stream(loaded, waiting.call, self.limits)
        reply = open_stream(replace(asked, pieces=_translate(asked.pieces)), {}, self.log)
        row = waiting.answered
        reply["headers"] |= {"serval-model-version": row.version or "", REQUEST: row.id}
        return reply

    def _reply_as_stored(self, waiting: "WaitingCall") -> Reply:
        """Reply with the stored response, which has the form that the caller asked for."""
        result = waiting.ask(read_sent_body(waiting.call, self.limits))
        length = waiting.answered.response_header_length
        if length is None:
            return waiting.reply(result, {"content-type": JSON})
        headers = {
            "content-type": "application/octet-stream",
            "inference-header-content-length": str(length),
        }
        return waiting.reply(result, headers)

    def _reply_in(self, protocol: WireProtocol, waiting: "WaitingCall") -> Reply:
        """Reply in another protocol, which reads and writes as for a version in memory."""
        record = waiting.record
        asked = protocol.read(as_loaded(record, waiting.send), waiting.call, self.limits)
        answer = asked.run()
        version = waiting.answered.version or record.version
        if version != record.version:  # a candidate's, whose name the protocol may write
            other = as_loaded(replace(record, version=version), waiting.send)
            asked = protocol.read(other, waiting.call, self.limits)
        written = asked.write(answer)
        return waiting.reply(
            written.body, {"content-type": written.content_type, **written.headers}
        )


@dataclass(slots=True)
class WaitingCall:
    """One call that becomes an async request and waits for it."""

    endpoint: WaitEndpoint
    call: HttpCall
    model: str
    version: str | None
    caller: Caller
    route: Route
    begun: float
    _answered: "AsyncRequest | LiveText | None" = None

    @property
    def record(self) -> ModelVersion:
        """The version asked for, or the stable one."""
        return self.endpoint.submit.checks.find_version(self.model, self.route, self.version)

    @property
    def answered(self) -> AsyncRequest:
        """The request, once it has succeeded or begun to be written."""
        found = self._answered
        if found is None:
            raise AssertionError("nothing was asked")
        return found.request if isinstance(found, LiveText) else found

    def ask(self, body: SentBody) -> bytes:
        """Submit an inference request, and return its result.

        Raises
        ------
        StillWaiting
            If it takes longer than a caller can wait.
        InvalidInputs, RequestCancelled, RequestFailed
            If it ends without a result.
        """
        endpoint = self.endpoint
        request = self._submit(body)
        request = endpoint.wait.wait(request, self._left)
        if request.open:
            raise StillWaiting(request.model, request.id, endpoint.clock() - self.begun)
        result = read_result(request, endpoint.payloads)
        self._answered = request
        return result

    def begin(self, reading: ReadLive, inputs: Sequence[Tensor]) -> LiveText:
        """Submit inputs, and return their text, which is read while it is written."""
        cancelled = cancels(self.call)
        head, content = write_request(inputs, RESULT, binary_outputs=False)
        request = self._submit(SentBody(content, len(head)), stream=True)
        live = LiveText(request, reading, self._left, cancelled)
        self._answered = live
        return live

    @property
    def _left(self) -> float:
        return WAIT_SECONDS - (self.endpoint.clock() - self.begun)

    def _submit(self, body: SentBody, *, stream: bool = False) -> AsyncRequest:
        submission = Submission(
            model=self.model,
            version=self.version,
            payload=body.content,
            header_length=body.header_length,
            affinity=self.call.affinity,
            stream=stream,
        )
        return self.endpoint.submit.submit(submission, self.caller, self.route)

    def send(
        self, inputs: Sequence[Tensor], outputs: Sequence[TensorSpec], *, binary: bool = True
    ) -> list[Tensor]:
        """Run inputs on the fleet; raise as ``ask`` does."""
        head, content = write_request(inputs, outputs, binary_outputs=binary)
        result = self.ask(SentBody(content, len(head)))
        length = self.answered.response_header_length
        return read_response(result, None if length is None else str(length), outputs)

    def reply(self, body: bytes, headers: dict[str, str]) -> Reply:
        """Make the reply of an answer."""
        headers |= {
            "serval-model-version": self.answered.version or "",
            "server-timing": server_timing(self.answered),
        }
        elsewhere = f"GET /async/requests/{self.answered.id} gives a URL of it"
        accept_encoding = self.call.headers.get("accept-encoding", "")
        return sized_reply(body, headers, accept_encoding, lambda _: elsewhere)


def _translate(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield pieces; raise ``RegistryUnavailable`` where AWS does not answer."""
    with translate_aws_failures(), closing_source(pieces):
        yield from pieces


def server_timing(request: AsyncRequest) -> str:
    """Write how long a request was queued and its last attempt took, in milliseconds."""
    created, started, finished = (
        datetime.fromisoformat(moment or request.created)
        for moment in (request.created, request.started, request.finished)
    )
    queued, run = started - created, finished - started
    return (
        f"queue;dur={queued.total_seconds() * 1e3:.0f}, infer;dur={run.total_seconds() * 1e3:.0f}"
    )
