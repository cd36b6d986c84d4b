"""SageMaker's asynchronous inference: from a call to a V2 request, and back to the call's answer.

Specification: "InvokeEndpointAsync", Amazon SageMaker AI API Reference. The call is read when it is
submitted, for its tensors, and again when its request has ended, for the form of its answer.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from serval.errors import InvalidParameter, InvalidRequest, MalformedBody, PayloadTooLarge
from serval.http.bodies import SentBody
from serval.http.call import HttpCall
from serval.http.distant import as_loaded
from serval.http.protocols import sagemaker
from serval.http.protocols.sagemaker import ATTRIBUTES, PREFIX
from serval.models.signature import TensorSpec
from serval.models.tensor import Tensor
from serval.models.version import ModelVersion
from serval.protocol.client import read_response, write_request
from serval.protocol.content import to_bytes
from serval.protocol.limits import MOST, RequestLimits
from serval.requests.invocation import S3, AsyncInvocation, OutputPlace, input_prefix
from serval.requests.ports import Payloads
from serval.requests.request import AsyncRequest

LOCATION = f"{PREFIX}inputlocation"
MOST_BYTES = 6 * 2**20
"""Of an input: it is read by functions of little memory."""
LARGER = "send binary tensors as an upload: POST /async/models/{model}/uploads"
HEADERS = {"content-type": f"{PREFIX}content-type", "accept": f"{PREFIX}accept"}
"""Of ``InvokeEndpoint``, and what ``InvokeEndpointAsync`` calls them."""


class NotAnswered(Exception):
    """The tensors of a call are known, and nobody has run them yet."""


@dataclass(slots=True)
class InvokedCall(HttpCall):
    """A call of the runtime whose body has been read."""

    body: bytes = b""

    def read_body(self, limits: RequestLimits) -> bytes:
        """Return the body."""
        return self.body


@dataclass(slots=True)
class Recorded:
    """Stands for a run: it keeps the request, or has the response already."""

    request: SentBody | None = None
    response: bytes = b""
    header_length: int | None = None
    answered: bool = False

    def send(
        self, inputs: Sequence[Tensor], outputs: Sequence[TensorSpec], *, binary: bool = True
    ) -> list[Tensor]:
        """Return the outputs, or raise ``NotAnswered``."""
        if not self.answered:
            head, content = write_request(inputs, outputs, binary_outputs=binary)
            self.request = SentBody(content, len(head))
            raise NotAnswered
        length = None if self.header_length is None else str(self.header_length)
        return read_response(self.response, length, outputs)


def read_invocation(call: HttpCall, model: str, bucket: str, payloads: Payloads) -> AsyncInvocation:
    """Read a call, and its input from the data bucket.

    Raises
    ------
    InvalidParameter
        If the input is somewhere else, or not there, or the call has a body, too.
    PayloadTooLarge
        If it is over the limit.
    """
    headers = {name: call.headers.get(own, "") for name, own in HEADERS.items()}
    if ATTRIBUTES in call.headers:
        headers[ATTRIBUTES] = call.headers[ATTRIBUTES]
    location = call.headers.get(LOCATION)
    if location is None:
        return AsyncInvocation(headers, to_bytes(call.read_body(MOST)))
    if call.event.get("body"):
        raise InvalidParameter(LOCATION, location, "no body beside it")
    prefix = f"{S3}{bucket}/{input_prefix(model)}"
    if not location.startswith(prefix):
        raise InvalidParameter(LOCATION, location, f"an object under {prefix}")
    key = location.removeprefix(f"{S3}{bucket}/")
    found = payloads.find(key)
    if found is None:
        raise InvalidParameter(LOCATION, location, "an object that is there")
    if found.size_bytes > MOST_BYTES:
        raise PayloadTooLarge("input", found.size_bytes, MOST_BYTES, LARGER)
    body = payloads.get(key)
    if not body:
        raise MalformedBody(f"the input {location!r:.200} is empty")
    return AsyncInvocation(headers, body)


def request_of(record: ModelVersion, invocation: AsyncInvocation) -> SentBody:
    """Return the V2 request that a call makes of a version.

    Raises
    ------
    InvalidRequest, PayloadTooLarge
        If the call does not fit it.
    """
    recorded = Recorded()
    call = InvokedCall({}, invocation.headers, {}, body=invocation.body)
    with suppress(NotAnswered):
        sagemaker.read(as_loaded(record, recorded.send), call, MOST).run()
    if recorded.request is None:
        raise MalformedBody("the call has no inputs to run")
    return recorded.request


def write_output(
    request: AsyncRequest, payloads: Payloads, find: Callable[[str, str], ModelVersion]
) -> None:
    """Write the answer of an ended request in the form that its call asked for, or what failed."""
    place = OutputPlace.from_url(request.callback_url or "")
    result = None if request.response_key is None else payloads.get(request.response_key)
    stored = payloads.get(place.call_key)
    if request.status != "succeeded" or result is None or stored is None:
        said = request.error or f"the request was {request.status}, and has no result"
        payloads.put(place.failure_key, said.encode())
        return
    recorded = Recorded(None, result, request.response_header_length, answered=True)
    record = find(request.model, request.version or "")
    invocation = AsyncInvocation.from_bytes(stored)
    call = InvokedCall({}, invocation.headers, {}, body=invocation.body)
    try:
        asked = sagemaker.read(as_loaded(record, recorded.send), call, MOST)
        written = asked.write(asked.run())
    except InvalidRequest as error:
        payloads.put(place.failure_key, str(error).encode())
        return
    payloads.put(place.output_key, written.body)
