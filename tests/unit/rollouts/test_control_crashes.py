"""A rollout whose steps die or are overtaken: the next try ends as if nothing had happened."""

from collections.abc import Callable

import pytest

from serval.models.route import Route
from serval.rollouts.policy.decide import Promote
from tests.fakes.registration import Crash, Crashes, InMemoryRegistry
from tests.fakes.rollouts import FAILING, MODEL, RollingModel, said, seen


@pytest.fixture
def model() -> RollingModel:
    """Build a model whose first version is stable."""
    made = RollingModel()
    made.roll_out("a")
    return made


def test_refusing_after_a_crash_with_a_first_share_rolls_back(model: RollingModel) -> None:
    claimed = model.claim()
    version = model.verified("b")
    crashed = dead_after(
        model,
        lambda model: model.control.begin(claimed, version, model.policy),
        lambda model: model.route.candidate == version,
    )
    assert crashed.record(claimed.rollout).step == "canary"
    ended = crashed.control.refuse(crashed.record(claimed.rollout), "crashed")
    assert (ended.status, ended.version, ended.reason) == ("rolled back", version, "crashed")
    assert seen(crashed.route) == ("1", None, 0)


def die(model: RollingModel, crashes: Crashes, action: Callable[[RollingModel], object]) -> bool:
    """Do something that dies at a call of the registry; False if it came through."""
    model.registry.crashes = crashes
    try:
        action(model)
    except Crash:
        return True
    finally:
        model.registry.crashes = Crashes()
    return False


def dead_after(
    model: RollingModel,
    action: Callable[[RollingModel], object],
    happened: Callable[[RollingModel], bool],
) -> RollingModel:
    """Return the model after an action that died right after one of its writes."""
    at = 0
    while die(crashed := model.copy(), Crashes(at, after=True), action):
        if happened(crashed):
            return crashed
        at += 1
    raise AssertionError("it came through before that had happened")


def pass_step(model: RollingModel) -> object:
    return model.evaluate("u2")


def promote(model: RollingModel) -> object:
    return model.control.apply(model.record("u2"), Promote("no harm"))


def fail(model: RollingModel) -> object:
    return model.evaluate("u2", candidate=FAILING)


def replace_by_newer(model: RollingModel) -> object:
    claimed = model.registry.rollout_records.get((MODEL, "u3")) or model.claim()
    return model.begin(claimed, "c")


def go_to_first(model: RollingModel) -> object:
    return model.control.go_to(MODEL, "1", "by hand")


def refuse(model: RollingModel) -> object:
    return model.control.refuse(model.record("u2"), "crashed")


def state(model: RollingModel) -> object:
    """Return the state after every execution has looked once more, without times and ids."""
    for _, name in tuple(model.registry.rollout_records):
        model.control.reconcile(model.record(name))
    records = [
        (rollout.version, rollout.status, rollout.step, rollout.percent, rollout.baseline)
        for (_, name), rollout in sorted(model.registry.rollout_records.items())
        if ":" not in name
    ]
    return seen(model.route), records


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(
    "action", [pass_step, promote, fail, replace_by_newer, go_to_first, refuse]
)
def test_a_crash_and_a_retry_end_as_without_a_crash(
    model: RollingModel, action: Callable[[RollingModel], object], after: bool
) -> None:
    model.roll_out("b")
    model.wait(300)
    calm = model.copy()
    action(calm)
    expected = state(calm)
    at = 0
    while die(crashed := model.copy(), Crashes(at, after), action):
        action(crashed)
        assert state(crashed) == expected, f"crash at call {at}"
        at += 1
    assert at >= 3


@pytest.mark.parametrize(
    "then", [lambda model: model.roll_out("c"), lambda model: model.control.go_to(MODEL, "1", "x")]
)
def test_a_promotion_that_died_is_recorded_with_its_route(
    model: RollingModel, then: Callable[[RollingModel], object]
) -> None:
    model.roll_out("b")
    crashed = dead_after(model, promote, lambda model: model.route.stable == "2")
    assert crashed.record("u2").status == "promoted"
    then(crashed)
    assert crashed.record("u2").status == "promoted"


def test_records_of_an_earlier_serval_follow_the_route(model: RollingModel) -> None:
    name = model.roll_out("b").rollout
    before = model.record(name)
    promote(model)
    model.registry.rollout_records[MODEL, name] = before
    assert model.control.reconcile(before).status == "promoted"


class Overtaken(InMemoryRegistry):
    """Another rollout takes the route between a reading of it and the next."""

    def route(self, model: str) -> Route:
        route = super().route(model)
        if self.rival is not None:
            self.routes[model], self.rival = self.rival, None
        return route


def test_a_rollout_that_is_overtaken_between_two_reads_moves_no_route() -> None:
    model = RollingModel(registry=Overtaken(Crashes()))
    model.roll_out("a")
    running = model.roll_out("b")
    rival = Route("1", "2", 10, "u9", model.route.revision + 1)
    model.registry.rival = rival
    assert model.control.apply(running, Promote("late")).status == "superseded"
    assert model.route == rival


def test_a_step_that_is_repeated_leaves_a_rollout_its_share(model: RollingModel) -> None:
    rollout = model.roll_out("b")
    noted = model.control.note(rollout, step="registering")
    assert said(noted, step="canary", percent=10) == {"step": "canary", "percent": 10}
    assert noted.percent_since == rollout.percent_since
