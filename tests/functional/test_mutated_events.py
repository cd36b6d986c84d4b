"""Mutated events: whatever a route is sent, its answer is one of ours, and the caller's own fault.

``make soak`` sends many more, and watches the memory.
"""

from collections.abc import Iterator

import pytest

from serval.http.dispatch import Endpoint
from tests.mutations.run import Figures, run
from tests.mutations.stage import Stage, routes

pytestmark = pytest.mark.slow

EVENTS = {"GET": 40, "DELETE": 40, "POST": 120, "PUT": 300}


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    made = Stage()
    yield made
    made.close()


@pytest.mark.parametrize("route", routes(), ids=lambda one: f"{one.method} {one.template}")
def test_no_event_is_answered_by_a_failure(route: Endpoint, stage: Stage) -> None:
    figures = Figures()
    run(stage, route, range(EVENTS[route.method]), figures)
    assert figures.failures == []
    assert figures.events == EVENTS[route.method]
    assert any(status < 300 for status in figures.statuses), "no event came through unharmed"
