"""serval/rollouts/history.py: which version was stable before."""

import pytest

from serval.models.registry import Rollout
from serval.models.rollout_words import RolloutStatus
from serval.models.route import Route
from serval.rollouts.history import stable_before
from serval.rollouts.policy.decide import Promote, RollBack
from tests.fakes.rollouts import MODEL, RollingModel


def model_with(*digests: str) -> RollingModel:
    """Build a model whose versions were promoted one after another."""
    model = RollingModel()
    for digest in digests:
        rollout = model.roll_out(digest)
        if not rollout.ended:
            model.control.apply(rollout, Promote("no harm"))
    return model


def before(model: RollingModel) -> str | None:
    return stable_before(model.route, model.registry.rollouts(MODEL))


def go_back(model: RollingModel) -> str | None:
    """Roll back once; gives the version that is stable then."""
    target = before(model)
    if target is not None:
        model.control.go_to(MODEL, target, "by hand")
    return target


def test_nothing_was_stable_before_the_first_version() -> None:
    assert before(model_with("a")) is None


def test_it_is_the_version_that_the_promoted_one_replaced() -> None:
    assert before(model_with("a", "b", "c")) == "2"


def test_going_back_again_goes_further_back_and_never_to_what_was_gone_back_from() -> None:
    model = model_with("a", "b", "c")
    assert [go_back(model) for _ in range(3)] == ["2", "1", None]


def test_versions_that_were_rolled_back_do_not_count() -> None:
    model = model_with("a", "b")
    model.control.apply(model.roll_out("c"), RollBack("errors"))
    assert before(model) == "1"


def test_a_version_promoted_after_a_rollback_goes_back_to_the_one_it_replaced() -> None:
    model = model_with("a", "b")
    go_back(model)
    model.control.apply(model.roll_out("c"), Promote("no harm"))
    assert [go_back(model), before(model)] == ["1", None]


def test_the_same_bytes_again_change_nothing() -> None:
    model = model_with("a", "b")
    model.roll_out("b")
    assert before(model) == "1"


def test_a_promotion_without_a_record_counts() -> None:
    assert stable_before(Route("2"), model_with("a").registry.rollouts(MODEL)) == "1"


def record(status: RolloutStatus, version: str, baseline: str | None, updated: str) -> Rollout:
    return Rollout(
        model=MODEL,
        rollout=updated,
        status=status,
        created="t",
        updated=updated,
        version=version,
        baseline=baseline,
    )


@pytest.mark.parametrize("baseline", ["1", None])
def test_promotions_count_in_the_order_in_which_they_happened(baseline: str | None) -> None:
    records = [record("promoted", "3", "2", "t3"), record("promoted", "2", baseline, "t2")]
    assert stable_before(Route("3"), records) == "2"


def test_the_records_of_a_baseline_may_be_gone() -> None:
    assert stable_before(Route("9"), [record("promoted", "9", "8", "t")]) == "8"
