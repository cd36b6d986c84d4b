"""Publication and promotion, when other writers are in the way."""

from pathlib import Path

import pytest

from serval.errors import RegistryUnavailable
from serval.publication import ROUTE_ATTEMPTS
from serval.registry import Rollout
from serval.routes import Route
from tests.fakes.describe import version_record
from tests.fakes.registration import Stage

NOW = "2026-11-21T10:15:00.000Z"
ROLLOUT = Rollout(model="iris", rollout="u1", status="running", created=NOW, updated=NOW)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def test_a_candidate_ends_when_another_version_takes_over(stage: Stage):
    stage.registry.routes["iris"] = Route("1", candidate="2", percent=10, rollout="u0", revision=3)

    ended = stage.registration.publication.promote(version_record("iris", "2"), ROLLOUT)

    assert (ended.status, ended.version) == ("promoted", "2")
    assert stage.registry.routes["iris"] == Route("2", rollout="u1", revision=4)


def test_the_registry_is_unavailable_while_others_keep_writing(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
):
    tried: list[int | None] = []

    def lose(model: str, route: Route, expected_revision: int | None) -> bool:
        tried.append(expected_revision)
        return False

    monkeypatch.setattr(stage.registry, "set_route", lose)

    with pytest.raises(RegistryUnavailable, match="model 'iris': 10 attempts to set its route"):
        stage.registration.publication.promote(version_record("iris", "1"), ROLLOUT)
    assert len(tried) == ROUTE_ATTEMPTS
