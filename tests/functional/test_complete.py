"""The function ``complete``: an event of SNS in, what came of its inferences out."""

import pytest

from tests.fakes.endpoints import ManagedFleet
from tests.fakes.handlers import Context, imported, logged, recorded

ENVIRONMENT = {
    "STAGE": "prod",
    "REGISTRY_TABLE": "registry",
    "REQUESTS_TABLE": "requests",
    "DATA_BUCKET": "serval-data",
    "DISPATCH_FUNCTION": "dispatch",
}


def running() -> ManagedFleet:
    stage = ManagedFleet()
    stage.submit("r1")
    stage.dispatch()
    return stage


def test_a_success_closes_its_row(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    stage = running()
    stage.objects.put("async-out/managed/2f6d1a54.out", b'{"outputs": []}')
    environment = {**ENVIRONMENT, "FLEETS": stage.fleets.to_text()}
    handler = imported("complete", environment, stage.completion(), monkeypatch)

    ended = handler.handler(recorded("complete"), Context())

    assert ended == [{"inference": "r1.1", "outcome": "succeeded"}]
    row = stage.row("r1")
    assert (row.status, row.response_key) == ("succeeded", "async-out/managed/2f6d1a54.out")
    assert stage.sent == ()
    assert logged(capsys)["outcome"] == ended


def test_a_failure_is_tried_again(monkeypatch: pytest.MonkeyPatch):
    stage = running()
    environment = {**ENVIRONMENT, "FLEETS": stage.fleets.to_text()}
    handler = imported("complete", environment, stage.completion(), monkeypatch)

    (ended,) = handler.handler(recorded("complete_failed"), Context())

    assert ended["outcome"].startswith(
        "to be tried again: ClientError: Received server error (500)"
    )
    assert stage.row("r1").status == "queued"
