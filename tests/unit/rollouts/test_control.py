"""Control of rollouts over a registry in memory: routes, records, races, crashes."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from serval.clock import timestamp
from serval.errors import ModelNotFound, ModelVersionNotFound, RegistryUnavailable
from serval.models.registry import Rollout
from serval.models.route import Route
from serval.rollouts.control import RolloutRefused
from serval.rollouts.policy.canary_policy import CanaryPolicy
from serval.rollouts.policy.decide import Hold, Promote, RollBack, TakeStep
from tests.fakes.rollouts import FAILING, MODEL, RollingModel, said, seen


@pytest.fixture
def model() -> RollingModel:
    """Build a model whose first version is stable."""
    made = RollingModel()
    made.roll_out("a")
    return made


def test_the_first_version_is_promoted_at_once() -> None:
    model = RollingModel()
    rollout = model.roll_out("a")
    assert seen(model.route) == ("1", None, 0)
    expected = {"status": "promoted", "step": "ended", "percent": 100, "version": "1"}
    assert said(rollout, **expected) == expected
    assert rollout.reason == "version 1 takes all traffic"


def test_a_second_version_begins_with_the_first_step(model: RollingModel) -> None:
    rollout = model.roll_out("b")
    assert seen(model.route) == ("1", "2", 10)
    expected = {
        "status": "running",
        "step": "canary",
        "version": "2",
        "baseline": "1",
        "percent": 10,
        "percent_since": timestamp(model.now),
    }
    assert said(rollout, **expected) == expected


def test_a_good_version_goes_step_by_step_to_all_traffic(model: RollingModel) -> None:
    name = model.roll_out("b").rollout
    shares = [seen(model.route)]
    while not model.pass_step(name).ended:
        shares.append(seen(model.route))
    assert shares == [("1", "2", 10), ("1", "2", 50)]
    assert seen(model.route) == ("2", None, 0)
    ended = model.record(name)
    assert (ended.status, ended.reason) == ("promoted", "no harm in 100000 requests")


def test_each_step_is_timed_from_its_own_begin(model: RollingModel) -> None:
    name = model.roll_out("b").rollout
    first = model.record(name).percent_since
    model.pass_step(name)
    assert model.record(name).percent_since > first
    assert model.evaluate(name).reason == "baking at 50 %"


def test_a_failing_version_gives_all_traffic_back(model: RollingModel) -> None:
    name = model.roll_out("b").rollout
    ended = model.evaluate(name, candidate=FAILING)
    assert seen(model.route) == ("1", None, 0)
    assert (ended.status, ended.percent) == ("rolled back", 0)
    assert ended.reason.startswith("errors: 50 of the candidate's 1000 requests failed")


def test_without_steps_a_version_is_promoted_at_once(model: RollingModel) -> None:
    model.policy = CanaryPolicy(steps_percent=())
    assert model.roll_out("b").status == "promoted"
    assert seen(model.route) == ("2", None, 0)


def test_the_stable_bytes_again_are_promoted_at_once(model: RollingModel) -> None:
    assert model.roll_out("a").status == "promoted"
    assert seen(model.route) == ("1", None, 0)


def test_every_change_of_state_is_announced_once(model: RollingModel) -> None:
    model.announced.clear()
    name = model.roll_out("b").rollout
    model.pass_step(name)
    model.pass_step(name)
    told = [(rollout.status, rollout.percent) for rollout in model.announced]
    assert told == [("running", 10), ("running", 50), ("promoted", 100)]


def test_a_hold_is_recorded_and_announced_to_nobody(model: RollingModel) -> None:
    rollout = model.roll_out("b")
    model.announced.clear()
    held = model.control.apply(rollout, Hold(60, "baking at 10 %"))
    assert held.reason == model.record(rollout.rollout).reason == "baking at 10 %"
    assert model.announced == []


def test_a_begin_that_is_repeated_changes_nothing(model: RollingModel) -> None:
    claimed = model.claim()
    model.control.note(model.begin(claimed, "b"), details={"metrics": {}})
    model.pass_step(claimed.rollout)
    before = (model.route, model.record(claimed.rollout))
    assert model.begin(claimed, "b") == before[1]
    assert (model.route, model.record(claimed.rollout)) == before


def test_an_upload_in_verification_waits_for_its_turn(model: RollingModel) -> None:
    waiting = model.claim()
    model.roll_out("b")
    assert model.control.reconcile(waiting) == waiting


def test_a_newer_upload_takes_the_place_of_a_running_rollout(model: RollingModel) -> None:
    older = model.roll_out("b").rollout
    newer = model.roll_out("c").rollout
    assert seen(model.route) == ("1", "3", 10)
    assert model.record(older).status == "superseded"
    assert model.record(older).reason == f"rollout {newer} took its place"
    assert model.evaluate(older).status == "superseded"


def test_an_older_upload_that_comes_late_is_superseded(model: RollingModel) -> None:
    older, newer = model.claim(), model.claim()
    model.begin(newer, "c")
    late = model.begin(older, "b")
    assert (late.status, late.reason) == (
        "superseded",
        f"rollout {newer.rollout} of a later upload was faster",
    )
    assert model.route.rollout == newer.rollout


def test_an_upload_in_verification_survives_a_rollback_by_hand(model: RollingModel) -> None:
    bad = model.roll_out("b").rollout
    model.pass_step(bad)
    model.pass_step(bad)
    correction = model.claim()
    model.control.go_to(MODEL, "1", "version 2 was wrong")
    begun = model.begin(correction, "c")
    assert (begun.status, begun.baseline) == ("running", "1")
    assert seen(model.route) == ("1", "3", 10)


def test_a_rollout_that_was_superseded_moves_no_route(model: RollingModel) -> None:
    older = model.roll_out("b").rollout
    found, decision = model.look(older, candidate=FAILING)
    model.roll_out("c")
    before = model.route
    assert isinstance(decision, RollBack)
    assert model.control.apply(found, decision).status == "superseded"
    assert model.route == before


def test_a_verdict_is_never_changed(model: RollingModel) -> None:
    running = model.roll_out("b")
    ended = model.control.apply(running, RollBack("by hand"))
    model.announced.clear()
    assert model.control.note(running, paused=True) == ended
    assert model.control.refuse(running, "too late") == ended
    assert model.control.begin(running, "2", model.policy) == ended
    assert model.control.apply(running, Promote("too late")) == ended
    assert (model.record(running.rollout), model.announced) == (ended, [])


def test_two_evaluations_at_once_take_one_step(model: RollingModel) -> None:
    name = model.roll_out("b").rollout
    model.wait(300)
    found, decision = model.look(name)
    assert isinstance(decision, TakeStep)
    for _ in range(2):
        model.control.apply(found, decision)
    assert seen(model.route) == ("1", "2", 50)
    assert model.evaluate(name).percent == 50


def test_a_late_step_takes_no_share_back(model: RollingModel) -> None:
    running = model.roll_out("b")
    model.control.apply(running, TakeStep(50, "baked"))
    model.control.apply(running, TakeStep(20, "late"))
    assert model.route.percent == 50


def test_a_pause_is_kept_by_an_evaluation_that_read_before_it(model: RollingModel) -> None:
    found = model.roll_out("b")
    model.control.note(found, paused=True)
    assert model.control.apply(found, Hold(60, "baking")).paused
    assert model.control.note(model.record(found.rollout), paused=False).paused is False


def test_a_running_rollout_is_rolled_back_by_hand(model: RollingModel) -> None:
    model.roll_out("b")
    running = model.control.running(MODEL)
    assert running is not None
    ended = model.control.apply(running, RollBack("rolled back by hand"))
    assert (ended.status, ended.reason) == ("rolled back", "rolled back by hand")
    assert model.control.running(MODEL) is None


def test_a_running_rollout_is_promoted_by_hand(model: RollingModel) -> None:
    running = model.roll_out("b")
    ended = model.control.apply(running, Promote("promoted by hand"))
    assert (ended.status, ended.reason) == ("promoted", "promoted by hand")
    assert seen(model.route) == ("2", None, 0)


def test_any_version_can_be_made_stable_by_hand(model: RollingModel) -> None:
    model.control.apply(model.roll_out("b"), Promote("by hand"))
    running = model.roll_out("c").rollout
    went = model.control.go_to(MODEL, "1", "version 2 was wrong")
    assert (went.status, went.version, went.baseline) == ("promoted", "1", "2")
    assert went.reason == "version 2 was wrong"
    assert seen(model.route) == ("1", None, 0)
    assert model.record(running).status == "superseded"


def test_a_rollout_by_hand_has_an_id_that_no_upload_can_have(model: RollingModel) -> None:
    assert ":" in model.control.go_to(MODEL, "1", "by hand").rollout


@pytest.mark.parametrize("version", ["2", "99"])
def test_a_version_that_is_not_registered_is_never_made_stable(
    model: RollingModel, version: str
) -> None:
    before = model.route
    with pytest.raises(ModelVersionNotFound):
        model.control.go_to(MODEL, version, "by hand")
    assert model.route == before


def test_an_unknown_model_has_nothing_to_control() -> None:
    control = RollingModel().control
    with pytest.raises(ModelNotFound):
        control.running(MODEL)
    with pytest.raises(ModelVersionNotFound):
        control.go_to(MODEL, "1", "by hand")


def test_a_rollout_without_a_share_moves_no_route(model: RollingModel) -> None:
    model.roll_out("b")
    before = model.route
    waiting = model.claim()
    with pytest.raises(RolloutRefused, match="rollout 'u3' of model 'iris' has no share"):
        model.control.apply(waiting, RollBack("by hand"))
    assert (model.route, model.record("u3")) == (before, waiting)


def test_a_pause_keeps_what_a_step_recorded_meanwhile(model: RollingModel) -> None:
    found = model.roll_out("b")
    model.wait(300)
    stepped = model.pass_step(found.rollout)
    paused = model.control.pause(found, paused=True)
    assert (paused.paused, paused.percent) == (True, 50)
    assert paused.percent_since == stepped.percent_since


@pytest.mark.parametrize("decision", [TakeStep(50, "baked"), Promote("no harm")])
def test_a_pause_stands_against_what_was_decided_before_it(
    model: RollingModel, decision: TakeStep | Promote
) -> None:
    found = model.roll_out("b")
    before = model.route
    model.control.pause(found, paused=True)
    assert model.control.apply(found, decision).paused
    assert model.route == before
    assert model.control.apply(found, RollBack("harm")).status == "rolled back"


def rival_of(model: RollingModel, percent: int) -> Route:
    route = model.route
    return replace(route, percent=percent, revision=route.revision + 1)


@pytest.mark.parametrize("decision", [RollBack("by hand"), Promote("by hand")])
def test_a_person_is_not_stopped_by_a_step_taken_meanwhile(
    model: RollingModel, decision: RollBack | Promote
) -> None:
    running = model.roll_out("b")
    model.registry.rival = rival_of(model, 50)
    ended = model.control.apply(running, decision)
    assert ended.status == ("promoted" if isinstance(decision, Promote) else "rolled back")
    assert model.route.candidate is None


def test_going_to_a_version_is_not_stopped_by_a_step_taken_meanwhile(model: RollingModel) -> None:
    model.roll_out("b")
    model.registry.rival = rival_of(model, 50)
    assert model.control.go_to(MODEL, "1", "by hand").status == "promoted"
    assert seen(model.route) == ("1", None, 0)


def test_a_rollout_begins_over_the_route_that_another_writer_set(model: RollingModel) -> None:
    model.registry.rival = replace(model.route, rollout="by-hand:2", revision=2)
    begun = model.roll_out("b")
    assert (begun.status, model.route.revision) == ("running", 3)


@pytest.mark.parametrize(
    "action",
    [
        lambda model, running: model.control.go_to(MODEL, "1", "by hand"),
        lambda model, running: model.control.apply(running, RollBack("by hand")),
        lambda model, running: model.roll_out("c"),
    ],
)
def test_endless_contention_is_said(
    model: RollingModel,
    monkeypatch: pytest.MonkeyPatch,
    action: Callable[[RollingModel, Rollout], object],
) -> None:
    running = model.roll_out("b")
    monkeypatch.setattr(model.registry, "set_route", lambda *_: False)
    with pytest.raises(RegistryUnavailable, match="model 'iris': 10 attempts"):
        action(model, running)


def test_an_upload_without_a_share_is_refused(model: RollingModel) -> None:
    before = model.route
    ended = model.control.refuse(model.claim(), "model.onnx: no such file")
    assert (ended.status, ended.reason) == ("refused", "model.onnx: no such file")
    assert model.route == before


def test_refusing_a_rollout_that_has_a_share_rolls_it_back(model: RollingModel) -> None:
    running = model.roll_out("b")
    assert model.control.refuse(running, "crashed").status == "rolled back"
    assert seen(model.route) == ("1", None, 0)
