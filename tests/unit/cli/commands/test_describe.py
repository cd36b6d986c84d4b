"""serval_cli/commands/call/describe.py and models.py: what the registry knows, for people."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from serval.errors import ModelNotFound
from serval.models.registry import Rollout
from serval.models.route import Route
from serval_cli.commands.call.describe import LAST_ROLLOUTS, describe_model
from serval_cli.commands.call.models import list_models
from tests.fakes.describe import InMemoryRegistry


def refused_rollout(number: int) -> Rollout:
    return Rollout(
        model="iris",
        rollout=f"u{number}",
        status="refused",
        created="c",
        updated="u",
        reason="no graph",
    )


def test_a_model_has_its_route_versions_and_the_stable_signature() -> None:
    registry = InMemoryRegistry()
    registry.publish("iris", "1", "2", "3", route=Route("2", "3", 10))
    described = describe_model(registry, "iris")
    assert described["route"] == {"stable": "2", "candidate": "3", "percent": 10}
    assert described["versions"] == ["1", "2", "3"]
    assert [version["version"] for version in described["published"]] == ["1", "2", "3"]
    assert described["signature"]["inputs"][0]["name"] == "x"


def test_a_model_that_was_only_ever_refused_says_why() -> None:
    described = describe_model(InMemoryRegistry(rolled_out=[refused_rollout(1)]), "iris")
    assert (described["route"], described["versions"], described["signature"]) == (None, [], None)
    assert described["rollouts"][0]["reason"] == "no graph"


def test_a_rollout_that_runs_has_its_step_and_percent() -> None:
    running = replace(refused_rollout(1), status="running", step="canary", percent=10, paused=True)
    described = describe_model(InMemoryRegistry(rolled_out=[running]), "iris")["rollouts"][0]
    assert (described["step"], described["percent"], described["paused"]) == ("canary", 10, True)


def test_only_the_last_rollouts_are_shown() -> None:
    registry = InMemoryRegistry(rolled_out=[refused_rollout(number) for number in range(30)])
    assert len(describe_model(registry, "iris")["rollouts"]) == LAST_ROLLOUTS


def test_a_model_that_nobody_knows_is_not_found() -> None:
    with pytest.raises(ModelNotFound):
        describe_model(InMemoryRegistry(), "iris")


def test_models_are_listed_with_their_traffic() -> None:
    registry = InMemoryRegistry()
    registry.publish("iris", "1", "2", route=Route("1", "2", 50))
    registry.publish("digits", "1")
    assert [
        (model["name"], model["stable"], model["candidate"], model["percent"])
        for model in list_models(registry)
    ] == [("digits", "1", None, 0), ("iris", "1", "2", 50)]


class ListedEarly(InMemoryRegistry):
    """Lists a model a moment before its first route is written."""

    def models(self) -> Sequence[str]:
        return ["early", *super().models()]


def test_a_model_without_a_route_yet_is_left_out() -> None:
    registry = ListedEarly()
    registry.publish("iris", "1")
    assert [model["name"] for model in list_models(registry)] == ["iris"]
