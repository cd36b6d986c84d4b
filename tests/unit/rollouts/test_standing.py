"""What callers are told of a model's rollout, and what they are not."""

import json
from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from serval.errors import ModelNotFound
from serval.rollouts.history import end_rollout, state_from
from serval.rollouts.policy.canary_policy import CanaryPolicy
from serval.rollouts.policy.decide import Promote, RollBack, Step, TrackMetrics, decide
from serval.rollouts.standing import DOING, describe_for_callers, reason_for_callers
from serval.rollouts.steps.conclude import Conclude
from serval.rollouts.steps.evaluate import NO_MACHINE, Alarms, with_remarks
from tests.fakes.rollouts import FAILING, MODEL, RollingModel

SECRETS = (
    "arn:aws:sts::111122223333:assumed-role/golden-role",
    "s3://artifacts/incoming/iris/u1/golden.jsonl",
    "the patient said",
)
QUOTED = "; ".join(SECRETS)
MEASURED = [
    TrackMetrics(requests, round(requests * failing), p95, p95, p95)
    for requests, failing, p95 in product((0, 30, 1_000), (0, 0.02, 0.5), (1.0, 100.0))
]
AGES = (0, 300, 50_000, 5_000_000)


@pytest.fixture
def model() -> RollingModel:
    """Build a model whose first version is stable."""
    made = RollingModel()
    made.roll_out("a")
    return made


def told(model: RollingModel, *names: str) -> dict[str, Any]:
    """Return what callers are told, or these members of it; no secret may be among it."""
    found = describe_for_callers(model.registry, MODEL)
    assert not [secret for secret in SECRETS if secret in json.dumps(found)]
    return {name: found[name] for name in names or found}


def test_a_model_that_nothing_was_uploaded_for_is_not_found() -> None:
    with pytest.raises(ModelNotFound):
        describe_for_callers(RollingModel().registry, MODEL)


def test_the_first_upload_is_followed_before_there_is_a_version() -> None:
    model = RollingModel()
    claimed = model.claim()
    assert told(model) == {
        "model": MODEL,
        "stable": None,
        "version": None,
        "status": "running",
        "step": "claimed",
        "percent": 0,
        "paused": False,
        "started": claimed.created,
        "finished": None,
        "reason": None,
    }


def test_a_canary_is_told_with_its_share_and_without_what_it_waits_for(
    model: RollingModel,
) -> None:
    name = model.roll_out("b").rollout
    model.pass_step(name)
    shown = told(model, "stable", "version", "status", "step", "percent", "finished", "reason")
    assert list(shown.values()) == ["1", "2", "running", "canary", 50, None, None]
    model.control.pause(model.record(name), paused=True)
    assert told(model, "paused") == {"paused": True}


def test_a_canary_is_shown_before_an_upload_that_came_later(model: RollingModel) -> None:
    model.roll_out("b")
    model.claim()
    assert told(model, "step") == {"step": "canary"}


def test_a_promotion_is_dated_and_has_its_reason(model: RollingModel) -> None:
    name = model.roll_out("b").rollout
    while not (ended := model.pass_step(name)).ended:
        pass
    shown = told(model, "stable", "version", "status", "percent", "finished", "reason")
    why = "no harm in 100000 requests"
    assert list(shown.values()) == ["2", "2", "promoted", 100, ended.updated, why]


def test_harm_is_told_with_its_figures(model: RollingModel) -> None:
    name = model.roll_out("b").rollout
    found, decision = model.look(name, FAILING)
    assert decision is not None
    model.control.apply(found, decision)
    shown = told(model, "stable", "version", "status", "step", "percent", "reason")
    assert list(shown.values())[:5] == ["1", "2", "rolled back", "ended", 0]
    assert shown["reason"].startswith("errors: 50 of the candidate's 1000 requests failed")


def test_what_a_person_did_is_told(model: RollingModel) -> None:
    model.control.abort(model.roll_out("b"), "by hand")
    assert told(model, "status", "reason") == {"status": "rolled back", "reason": "by hand"}
    model.roll_out("c")
    model.control.go_to(MODEL, "2", "by hand")
    shown = told(model, "stable", "status", "reason")
    assert list(shown.values()) == ["2", "promoted", "by hand"]


def test_a_verdict_of_the_policy_is_told_in_its_own_words() -> None:
    claimed, policy = RollingModel().claim(), CanaryPolicy()
    steps = [Step(percent, age) for percent, age in product((10, 50), AGES)]
    decisions = {
        NO_MACHINE,
        *(decide(policy, *given) for given in product(steps, MEASURED, MEASURED)),
    }
    for decision in decisions:
        if isinstance(decision, Promote | RollBack):
            status = "promoted" if isinstance(decision, Promote) else "rolled back"
            reason = with_remarks(decision, Alarms(), at_once=True).reason
            assert reason_for_callers(end_rollout(claimed, status, reason)) == reason


def test_a_verdict_without_measurements_is_told(model: RollingModel) -> None:
    assert told(model, "reason") == {"reason": "version 1 takes all traffic"}
    cut = replace(model.claim(), version="2")
    ended = state_from(model.route, cut, cut.created)
    assert reason_for_callers(ended) == ended.reason == "ended between two writes"


@pytest.mark.parametrize("step", DOING)
@pytest.mark.parametrize("died", [True, False])
def test_what_a_step_said_is_for_whoever_publishes(
    model: RollingModel, step: str, died: bool
) -> None:
    rollout = model.roll_out("b") if step == "canary" else model.claim()
    model.control.note(rollout, step=step)
    said = {"error": {"Error": "ClientError", "Cause": QUOTED}} if died else {"reasons": [QUOTED]}
    event = {"model": MODEL, "rollout": rollout.rollout, **said}
    Conclude(model.control, model.registry).conclude(event)
    assert QUOTED in model.record(rollout.rollout).reason
    shown = told(model, "status", "reason")
    assert shown["status"] == ("rolled back" if step == "canary" else "refused")
    if died:
        assert shown["reason"] == f"{DOING[step]} failed"
    else:
        assert shown["reason"] == (None if step == "canary" else "a check of the upload failed")


def test_alarms_and_other_uploads_are_not_named(model: RollingModel) -> None:
    ringing = decide(CanaryPolicy(), Step(10, 0), FAILING, FAILING, SECRETS)
    assert isinstance(ringing, RollBack)
    model.control.apply(model.roll_out("b"), ringing)
    assert told(model, "reason") == {"reason": "an alarm is in ALARM"}
    remarked = with_remarks(Promote("no harm in 9 requests"), Alarms(missing=SECRETS), at_once=True)
    model.control.apply(model.roll_out("c"), remarked)
    assert told(model, "reason") == {"reason": "no harm in 9 requests"}
    older = model.roll_out("d")
    newer = model.roll_out("e")
    ended = model.record(older.rollout)
    assert newer.rollout in ended.reason
    assert reason_for_callers(ended) == "another rollout took its place"


def test_a_reason_that_nobody_has_looked_at_is_not_told(model: RollingModel) -> None:
    for reason in (QUOTED, f"no harm in 1 request\n{QUOTED}"):
        ended = end_rollout(model.claim(), "rolled back", reason)
        assert reason_for_callers(ended) is None
