"""The function ``dispatch``: a fleet's name in, what became of its messages out."""

from random import Random

import pytest

from serval.fleets.endpoints.dispatch import Dispatch
from serval.fleets.endpoints.hand_over import HandOver
from tests.fakes.endpoints import ManagedFleet
from tests.fakes.handlers import Context, imported, logged, recorded

ENVIRONMENT = {
    "STAGE": "prod",
    "REGISTRY_TABLE": "registry",
    "REQUESTS_TABLE": "requests",
    "DATA_BUCKET": "data",
}


def dispatching(stage: ManagedFleet) -> Dispatch:
    completion = stage.completion()
    hand_over = HandOver(
        control=completion.control,
        store=stage.requests,
        inbox=stage.queues,
        endpoints=stage.endpoints,
        routing=completion.routing,
        end_attempt=completion.end_attempt,
        clock=stage.clock,
    )
    return Dispatch(hand_over=hand_over, duty=stage.duty, random=Random(1), clock=stage.clock)


@pytest.mark.parametrize("event", [recorded("dispatch"), {"fleet": "managed"}])
def test_requests_are_handed_over(
    event: dict[str, object], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    stage = ManagedFleet()
    stage.submit("r1")
    environment = {**ENVIRONMENT, "FLEETS": stage.fleets.to_text()}
    handler = imported("dispatch", environment, dispatching(stage), monkeypatch)

    outcome = handler.handler(event, Context())

    assert outcome == {"handed over": 1}
    assert list(stage.endpoints.held) == ["r1.1"]
    line = logged(capsys)
    assert (line["fleet"], line["outcome"]) == ("managed", outcome)
