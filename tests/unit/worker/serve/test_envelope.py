"""What goes beside an inference's bytes to and from a SageMaker endpoint."""

import pytest

from serval.errors import MalformedBody
from serval.fleets.endpoints.attempt import envelope
from serval.worker.serve.envelope import Envelope, content_type
from tests.fakes.requests import async_request


@pytest.mark.parametrize("header_length", [None, 0, 317])
def test_an_envelope_says_what_dispatch_has_written(header_length: int | None) -> None:
    row = async_request("r1", model="vision", version="7", header_length=header_length)
    assert Envelope.parse(envelope(row)) == Envelope("vision", "7", header_length)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"m": "vision"}',
        '{"m": "vision", "v": 7}',
        '{"m": "../vision", "v": "7"}',
        '{"m": "vision", "v": "7", "h": -1}',
        '{"m": "vision", "v": "7", "h": true}',
        '{"m": "vision", "v": "7", "a": "models/other/7/"}',
    ],
)
def test_what_is_no_envelope_is_refused(text: str) -> None:
    with pytest.raises(MalformedBody, match="X-Amzn-SageMaker-Custom-Attributes"):
        Envelope.parse(text)


def test_the_content_type_tells_the_length_of_the_json_part() -> None:
    assert content_type(None) == "application/json"
    assert content_type(317) == "application/octet-stream;json-header-size=317"
