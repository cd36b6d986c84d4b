"""Read: the body of a request becomes what its target takes."""

from collections.abc import Callable

from serval.errors import MalformedBody, ServalError
from serval.models.version import ModelVersion
from serval.protocol.fit import output_names
from serval.protocol.request import InferenceRequest, read_request
from serval.requests.ports import Payloads
from serval.requests.request import AsyncRequest
from serval.worker.queue.held import Held

Records = Callable[[str, str], ModelVersion]
"""Gives the record of a model's version."""


def fetch_body(one: Held, payloads: Payloads) -> None:
    """Read a request's body, if that has not been done.

    Raises
    ------
    MalformedBody
        If it is gone.
    """
    row = one.known
    if one.body is None:
        one.body = row.payload if row.payload_key is None else payloads.get(row.payload_key)
    if one.body is None:
        raise MalformedBody(f"its body is gone: there is no object {row.payload_key!r}")


def read_for_target(one: Held, records: Records) -> None:
    """Decode a body and check it; what the candidate cannot read, the stable version may.

    Raises
    ------
    ServalError
        If no version that may answer it can read it.
    """
    if one.request is not None:
        return
    try:
        one.request = decoded(one, records)
    except ServalError as error:
        one.turn_to_stable(error)
        one.request = decoded(one, records)


def decoded(one: Held, records: Records) -> InferenceRequest:
    """Decode a body for its target."""
    row = one.known
    return decode(one.body or b"", row, records(row.model, one.aim.version))


def decode(body: bytes, row: AsyncRequest, record: ModelVersion) -> InferenceRequest:
    """Decode a body, and check that it fits a version's signature."""
    header = None if row.header_length is None else str(row.header_length)
    return fitting(body, header, record)


def fitting(body: str | bytes, header_length: str | None, record: ModelVersion) -> InferenceRequest:
    """Read an inference request that fits a version's signature.

    Raises
    ------
    InvalidRequest, PayloadTooLarge
        Naming the tensor, the value and the expectation.
    """
    request = read_request(body, header_length, record.signature)
    output_names(request.outputs, record.signature)
    return request
