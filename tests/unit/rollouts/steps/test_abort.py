"""Ending rollouts by hand at any step, and at the moment in which one gets its first share."""

from collections.abc import Callable

import pytest

from serval.models.registry import Rollout
from serval.rollouts.policy.canary_policy import CanaryPolicy
from serval.rollouts.policy.decide import Promote
from tests.fakes.registration import Crash, Crashes
from tests.fakes.rollouts import MODEL, RollingModel, said, seen

ABORTED = {"status": "rolled back", "reason": "by hand", "step": "ended", "percent": 0}


@pytest.fixture
def model() -> RollingModel:
    """Build a model whose first version is stable."""
    made = RollingModel()
    made.roll_out("a")
    return made


def test_a_candidate_that_has_a_share_loses_it(model: RollingModel) -> None:
    assert said(model.control.abort(model.roll_out("b"), "by hand"), **ABORTED) == ABORTED
    assert seen(model.route) == ("1", None, 0)


def test_an_upload_that_still_verifies_never_gets_a_share(model: RollingModel) -> None:
    claimed = model.claim()
    assert said(model.control.abort(claimed, "by hand"), **ABORTED) == ABORTED
    assert model.begin(claimed, "b").status == "rolled back"
    assert seen(model.route) == ("1", None, 0)


def test_the_first_upload_of_a_model_can_be_aborted() -> None:
    model = RollingModel()
    claimed = model.claim()
    assert model.control.abort(claimed, "by hand").status == "rolled back"
    assert model.begin(claimed, "a").status == "rolled back"
    assert model.registry.routes == {}


def test_a_verdict_is_not_changed(model: RollingModel) -> None:
    promoted = model.control.apply(model.roll_out("b"), Promote("no harm"))
    assert model.control.abort(promoted, "by hand") == promoted
    assert seen(model.route) == ("2", None, 0)


def test_a_promotion_whose_record_is_missing_is_not_aborted(model: RollingModel) -> None:
    name = model.roll_out("b").rollout
    stale = model.record(name)
    model.control.apply(stale, Promote("no harm"))
    model.registry.rollout_records[MODEL, name] = stale
    assert model.control.abort(stale, "by hand").status == "promoted"


def test_a_running_candidate_is_left_alone_by_the_abort_of_another(model: RollingModel) -> None:
    verifying = model.claim()
    running = model.roll_out("b")
    model.control.abort(verifying, "by hand")
    assert (model.record(running.rollout).status, model.route.candidate) == ("running", "2")


# The moment in which a rollout gets its first share


@pytest.mark.parametrize("steps", [(10, 50), ()])
@pytest.mark.parametrize("after", [False, True])
def test_a_begin_and_an_abort_that_meet_leave_a_record_that_the_route_bears_out(
    model: RollingModel, after: bool, steps: tuple[int, ...]
) -> None:
    model.policy = CanaryPolicy(steps_percent=steps)
    claimed = model.claim()
    version = model.verified("b")
    borne_out = {"rolled back": ("1", None, 0), "promoted": (version, None, 0)}
    for first, second in ((begin, abort), (abort, begin)):
        at = 0
        while True:
            raced = model.copy()
            raced.registry.crashes = met = Meeting(raced, second, claimed, at, after)
            first(raced, claimed, version)
            if not met.happened:
                break
            status = raced.record(claimed.rollout).status
            assert seen(raced.route) == borne_out[status], f"{first.__name__}, call {at}"
            at += 1
        assert at >= 3


def begin(model: RollingModel, rollout: Rollout, version: str) -> None:
    model.control.begin(rollout, version, model.policy)


def abort(model: RollingModel, rollout: Rollout, version: str) -> None:
    model.control.abort(rollout, "by hand")


class Meeting(Crashes):
    """Lets another do something just before a call of the registry, or right after it."""

    def __init__(
        self,
        model: RollingModel,
        other: Callable[[RollingModel, Rollout, str], None],
        rollout: Rollout,
        at: int,
        after: bool,
    ) -> None:
        super().__init__(at, after)
        self.model, self.other, self.rollout = model, other, rollout
        self.happened = False

    def meet(self) -> None:
        self.happened = True
        registry = self.model.registry
        registry.crashes = Crashes()
        self.other(self.model, registry.rollout_records[MODEL, self.rollout.rollout], "2")
        registry.crashes = self

    def before(self, call: str) -> None:
        try:
            super().before(call)
        except Crash:
            self.meet()

    def done(self) -> None:
        try:
            super().done()
        except Crash:
            self.meet()


@pytest.mark.parametrize("after", [False, True])
def test_a_begin_that_died_and_was_aborted_is_not_begun_by_its_retry(
    model: RollingModel, after: bool
) -> None:
    claimed = model.claim()
    version = model.verified("b")
    at = 0
    while True:
        crashed = model.copy()
        crashed.registry.crashes = crashes = Crashes(at, after)
        try:
            begin(crashed, claimed, version)
        except Crash:
            crashed.registry.crashes = Crashes()
        else:
            break
        assert crashed.control.abort(claimed, "by hand").status == "rolled back"
        begin(crashed, claimed, version)
        assert seen(crashed.route) == ("1", None, 0), crashes.calls[-1]
        at += 1
    assert at >= 3
