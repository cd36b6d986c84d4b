"""What a process remembers of the registry, and for how long."""

import pytest

from serval.errors import ModelNotFound, ModelVersionNotFound
from serval.models.route import KnownVersions, Remembered, Route
from tests.fakes.fleets import KnownModels
from tests.fakes.inbox import HandClock

CANARY = Route("1", candidate="2", percent=100, rollout="r")


def test_routes_are_remembered_for_five_seconds() -> None:
    models, clock = KnownModels({"textgen": Route("1")}), HandClock()
    known = KnownVersions(models, clock.monotonic)

    known.route("textgen")
    clock.pass_seconds(4.9)
    models.routes["textgen"] = CANARY
    assert known.route("textgen") == Route("1")
    clock.pass_seconds(0.2)
    assert known.route("textgen") == CANARY
    assert models.asked == 2


def test_what_is_not_there_is_looked_up_again() -> None:
    models = KnownModels({})
    known = KnownVersions(models)
    with pytest.raises(ModelNotFound):
        known.route("textgen")
    models.routes["textgen"] = CANARY
    assert known.route("textgen") == CANARY
    with pytest.raises(ModelVersionNotFound):
        known.version("textgen", "01")


def test_no_more_values_are_kept_than_allowed() -> None:
    known: Remembered[str, str] = Remembered(most=2)
    for key in ("a", "b", "c"):
        assert known.get(key, lambda key=key: key.upper()) == key.upper()
    assert [known.peek(key) for key in ("a", "b", "c")] == [None, None, "C"]
