"""Read: the body of a request is read for its target."""

from collections.abc import Callable

from serval.errors import MalformedBody, ServalError
from serval.inference.run import read_fitting
from serval.models.version import ModelVersion
from serval.protocol.request import InferenceRequest
from serval.requests.ports import Payloads
from serval.requests.stream.log import StreamLog
from serval.worker.queue.held import Held

FindVersion = Callable[[str, str], ModelVersion]


def fetch_body(one: Held, payloads: Payloads) -> None:
    """Fetch a request's body unless it is there.

    Raises
    ------
    MalformedBody
        If the body is gone.
    """
    row = one.known
    if one.body is None:
        one.body = row.payload if row.payload_key is None else payloads.get(row.payload_key)
    if one.body is None:
        raise MalformedBody(f"its body is gone: there is no object {row.payload_key!r}")


def fetch_chunks(one: Held, log: StreamLog) -> None:
    """Fetch what earlier attempts have written, if the request is a stream."""
    row = one.known
    if row.stream and row.attempt:
        one.chunks = log.read(row.id, 0)


def read_for_target(one: Held, find: FindVersion) -> None:
    """Read a body for its target; where the candidate cannot, the stable version becomes it.

    Raises
    ------
    ServalError
        If no version that may answer the request can read it.
    """
    if one.request is not None:
        return
    try:
        one.request = _read(one, find)
    except ServalError as error:
        one.turn_to_stable(error)
        one.request = _read(one, find)


def _read(one: Held, find: FindVersion) -> InferenceRequest:
    row = one.known
    record = find(row.model, one.aim.version)
    return read_fitting(one.body or b"", row.header_length, record)
