"""``serval rollout`` and its kin on the local stage, over rollouts that the tests record."""

import json
import os
import re
import subprocess
import sys
import uuid
from dataclasses import dataclass
from typing import Any

import pytest

from serval.aws.dynamodb.registry import DynamoDBRegistry
from serval.clock import timestamp, utc_now
from serval.models.registry import Rollout
from serval.models.signature import Signature, TensorSpec
from serval.models.version import ModelVersion
from serval.rollouts.control import RolloutControl
from serval.rollouts.policy.canary_policy import CanaryPolicy
from serval.rollouts.policy.decide import Promote, TakeStep
from tests.local.conftest import ROOT, LocalStage

SIGNATURE = Signature((TensorSpec("x", "FP32", (-1, 4)),), ())


@dataclass(frozen=True)
class StagedModel:
    """A model whose versions are records only, and the command line."""

    stage: LocalStage
    name: str
    control: RolloutControl

    def roll_out(self, rollout: str, digest: str) -> Rollout:
        """Register a version and let its rollout begin."""
        begun = self.claim(rollout)
        version = self.control.registry.reserve(self.name, digest)
        self.control.registry.record(
            ModelVersion(self.name, version, digest, begun.created, "model.onnx", (), (), SIGNATURE)
        )
        return self.control.begin(begun, version, CanaryPolicy())

    def claim(self, rollout: str) -> Rollout:
        """Record that an upload came."""
        now = timestamp(utc_now())
        return self.control.note(
            Rollout(model=self.name, rollout=rollout, status="running", created=now, updated=now)
        )

    def serval(self, *words: str) -> Any:
        """Run a command with --json; gives its value."""
        return json.loads(self.stage.serval(*words, "--json"))

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start a command that goes on."""
        return subprocess.Popen(
            [sys.executable, "-m", "serval_cli.main", *words],
            cwd=ROOT,
            env=os.environ | {"SERVAL_STATE": str(self.stage.state), "SERVAL_STAGE": "local"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def route(self) -> tuple[str, str | None, int]:
        route = self.control.registry.route(self.name)
        return route.stable, route.candidate, route.percent


@pytest.fixture(scope="module")
def registry(stage: LocalStage) -> DynamoDBRegistry:
    return stage.registry()


@pytest.fixture
def model(stage: LocalStage, registry: DynamoDBRegistry) -> StagedModel:
    """Give a model whose first version is stable, and whose second has 10 %."""
    made = StagedModel(stage, f"m-{uuid.uuid4().hex[:8]}", RolloutControl(registry))
    made.roll_out("u1", "a")
    made.roll_out("u2", "b")
    return made


def test_a_paused_rollout_is_aborted(model: StagedModel) -> None:
    assert model.serval("rollout", "pause", model.name)["paused"] is True
    shown = model.serval("rollout", model.name)
    assert (shown["rollout"], shown["paused"], shown["percent"]) == ("u2", True, 10)
    aborted = model.serval("rollout", "abort", model.name)
    assert (aborted["status"], aborted["reason"]) == ("rolled back", "by hand")
    assert model.route() == ("1", None, 0)


def test_an_upload_that_still_verifies_is_aborted(model: StagedModel) -> None:
    claimed = model.claim("u3")
    assert model.serval("rollout", "abort", model.name, "u3")["status"] == "rolled back"
    assert model.control.begin(claimed, "1", CanaryPolicy()).status == "rolled back"
    assert model.route() == ("1", "2", 10)


def test_what_was_promoted_by_hand_is_rolled_back_once(model: StagedModel) -> None:
    promoted = model.serval("promote", model.name)
    assert promoted["route"] == {"stable": "2", "candidate": None, "percent": 0}
    assert model.serval("rollback", model.name)["version"] == "1"
    again = model.start("rollback", model.name)
    _, err = again.communicate(timeout=300)
    assert again.returncode == 1
    assert "was stable before version 1" in err
    assert model.serval("rollback", model.name, "--to", "2")["version"] == "2"
    listed = model.serval("versions", model.name)["versions"]
    assert [version["status"] for version in listed] == ["was stable", "stable"]


def test_what_people_do_is_told_on_the_bus(model: StagedModel) -> None:
    done = model.start("rollout", "abort", model.name)
    out, err = done.communicate(timeout=300)
    (where,) = err.splitlines()  # an event that is not taken is said there, too
    assert (done.returncode, where.startswith("stage local: ")) == (0, True)
    assert "in effect everywhere within 5 s" in out


def test_versions_are_compared(model: StagedModel) -> None:
    compared = model.serval("diff", model.name, "1", "2")
    assert (compared["same_bytes"], compared["signature"]) == (False, [])


def test_a_rollout_is_watched_to_its_end(model: StagedModel) -> None:
    watch = model.start("rollout", model.name, "--watch")
    assert watch.stdout is not None
    first = watch.stdout.readline().split(" ", 1)[1]
    assert re.fullmatch(r"version 2 gets 10 %; ends by \S+ UTC at the latest, or by .*\n", first)
    running = model.control.running(model.name)
    assert running is not None
    running = model.control.apply(running, TakeStep(50, "no harm"))
    assert any("version 2 gets 50 %; no harm" in line for line in watch.stdout)
    model.control.apply(running, Promote("no harm in 4711 requests"))
    rest, err = watch.communicate(timeout=300)
    assert rest.splitlines()[-1].endswith("promoted: no harm in 4711 requests")
    assert (watch.returncode, err) == (0, "")


def test_watching_a_rollout_that_is_rolled_back_ends_with_1(model: StagedModel) -> None:
    watch = model.start("rollout", model.name, "--watch", "--json")
    assert watch.stdout is not None
    assert json.loads(watch.stdout.readline())["percent"] == 10
    model.serval("rollback", model.name)
    rest, _ = watch.communicate(timeout=300)
    assert json.loads(rest.splitlines()[-1])["status"] == "rolled back"
    assert watch.returncode == 1
