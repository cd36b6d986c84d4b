"""The canary policy, a rule at a time."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serval.rollouts.policy.canary_policy import CanaryPolicy, WhenIdle
from serval.rollouts.policy.decide import (
    FEW_REQUESTS,
    HOLD_DAYS,
    IDLE,
    MIN_ERRORS,
    MIN_REQUESTS,
    PATIENCE,
    Decision,
    Hold,
    Promote,
    RollBack,
    Step,
    TakeStep,
    TrackMetrics,
    decide,
    latest_seconds,
    seconds_to_next_look,
)

POLICY = CanaryPolicy()
HOLDING = CanaryPolicy(when_idle="hold")
BAKE = POLICY.bake_seconds
GOOD = TrackMetrics(1_000, 0, 40.0, 38.0, 42.0)
BAKED = Step(10, BAKE)
HISTORY_EVENTS = 25_000
EVENTS_A_LOOK = 9
"""Wait: entered, exited; task: entered, scheduled, started, succeeded, exited; choice: two."""


def judged(
    candidate: TrackMetrics = GOOD,
    stable: TrackMetrics = GOOD,
    step: Step = BAKED,
    policy: CanaryPolicy = POLICY,
    alarms: Sequence[str] = (),
) -> Decision:
    return decide(policy, step, stable, candidate, alarms)


def latency(p95: float, within: float = 1.0, requests: int = 1_000) -> TrackMetrics:
    return TrackMetrics(requests, 0, p95, p95 - within, p95 + within)


# A good candidate


def test_a_good_candidate_takes_the_next_step_when_it_has_baked() -> None:
    assert judged() == TakeStep(50, "no harm in 1000 requests")


def test_a_good_candidate_is_promoted_after_the_last_step() -> None:
    assert judged(step=Step(50, BAKE)) == Promote("no harm in 1000 requests")


def test_a_step_is_not_cut_short() -> None:
    decision = judged(step=Step(10, BAKE - 1))
    assert decision == Hold(BAKE / 5, "baking at 10 %")


def test_a_percent_that_is_no_step_goes_on_to_the_next_above() -> None:
    assert isinstance(decision := judged(step=Step(20, BAKE)), TakeStep)
    assert decision.percent == 50


@pytest.mark.parametrize(("stable", "candidate"), [(1_000, 199), (199, 1_000), (0, 0)])
def test_a_step_wants_enough_requests_of_both_versions(stable: int, candidate: int) -> None:
    decision = judged(replace(GOOD, requests=candidate), replace(GOOD, requests=stable))
    assert isinstance(decision, Hold)
    assert decision.reason == (
        f"{stable} requests of the stable version and {candidate} of the candidate, "
        f"{MIN_REQUESTS} of each wanted or 6 h without proven harm"
    )


def test_just_enough_requests_are_enough() -> None:
    enough = replace(GOOD, requests=MIN_REQUESTS)
    assert isinstance(judged(enough, enough), TakeStep)


def test_a_candidate_with_all_the_traffic_waits_for_no_request_of_the_stable_version() -> None:
    assert isinstance(judged(GOOD, TrackMetrics(), Step(100, BAKE)), Promote)


# Proven harm


def test_errors_beyond_doubt_roll_back_at_once() -> None:
    decision = judged(replace(GOOD, requests=100, errors=6), step=Step(10, 1))
    assert decision == RollBack(
        "errors: 6 of the candidate's 100 requests failed, more than 3.13 % with 95 % confidence; "
        "1 % allowed"
    )


def test_a_few_errors_are_bad_luck_however_few_the_requests() -> None:
    young = Step(10, 1)
    assert isinstance(judged(TrackMetrics(MIN_ERRORS - 1, MIN_ERRORS - 1), step=young), Hold)
    assert isinstance(judged(TrackMetrics(MIN_ERRORS, MIN_ERRORS), step=young), RollBack)


def test_errors_within_the_limit_are_allowed() -> None:
    assert isinstance(judged(replace(GOOD, errors=10)), TakeStep)


def test_a_latency_beyond_doubt_rolls_back_at_once() -> None:
    decision = judged(latency(60), latency(40), Step(10, 1))
    assert decision == RollBack(
        "latency: the candidate's p95 is over 59.0 ms and the stable version's under 41.0 ms "
        "(95 % confidence each); 1.25 times as long allowed"
    )


def test_bounds_that_touch_prove_nothing() -> None:
    decision = judged(latency(60, within=8), latency(40, within=4), Step(10, 1))
    assert decision == Hold(BAKE / 5, "baking at 10 %")


def test_less_than_five_milliseconds_are_no_harm() -> None:
    assert isinstance(judged(latency(7.0, 0.1), latency(3.0, 0.1)), TakeStep)
    assert isinstance(judged(latency(8.5, 0.1), latency(3.0, 0.1)), RollBack)


@pytest.mark.parametrize("few", ["candidate", "stable"])
def test_latencies_are_compared_only_with_enough_answers_of_both(few: str) -> None:
    fast, slow = latency(40), latency(400)
    if few == "candidate":
        slow = replace(slow, requests=FEW_REQUESTS, errors=1)
    else:
        fast = replace(fast, requests=FEW_REQUESTS, errors=1)
    decision = judged(slow, fast)
    assert isinstance(decision, Hold)
    assert "latency" not in decision.reason


def test_a_faster_candidate_is_welcome() -> None:
    assert isinstance(judged(latency(4), latency(400)), TakeStep)


def test_an_alarm_rolls_back_at_once_whatever_the_metrics() -> None:
    decision = judged(step=Step(10, 0), alarms=["orders-lost", "pager"])
    assert decision == RollBack("alarm orders-lost, pager is in ALARM")


# Suspicion and patience

SUSPECT = replace(GOOD, errors=11)


def test_a_suspect_candidate_waits_for_more_requests() -> None:
    decision = judged(SUSPECT)
    assert decision == Hold(
        BAKE / 5, "errors: 11 of the candidate's 1000 requests failed; 1 % allowed"
    )


def test_a_suspect_latency_waits_for_more_requests() -> None:
    decision = judged(latency(60, within=12), latency(40, within=8))
    assert isinstance(decision, Hold)
    assert decision.reason == (
        "latency: the candidate's p95 is 60.0 ms, the stable version's 40.0 ms; "
        "1.25 times as long allowed"
    )


def test_patience_with_a_suspect_candidate_ends() -> None:
    assert isinstance(judged(SUSPECT, step=Step(10, PATIENCE * BAKE - 1)), Hold)
    decision = judged(SUSPECT, step=Step(10, PATIENCE * BAKE))
    assert decision == RollBack(
        "errors: 11 of the candidate's 1000 requests failed; 1 % allowed, "
        "still so after 4 bake times"
    )


def test_a_suspicion_that_passes_is_forgotten() -> None:
    old = Step(10, 100 * PATIENCE * BAKE)
    assert isinstance(judged(replace(GOOD, requests=1_101, errors=11), step=old), TakeStep)


def test_patience_is_also_of_requests_as_three_of_two_hundred_are_soon_bad_luck() -> None:
    few = TrackMetrics(PATIENCE * MIN_REQUESTS - 1, 10)
    late = Step(10, 10 * PATIENCE * IDLE * BAKE)
    assert isinstance(judged(few, step=late, policy=HOLDING), Hold)
    enough = replace(few, requests=few.requests + 1)
    assert isinstance(judged(enough, step=late, policy=HOLDING), RollBack)


def test_one_failure_of_a_few_requests_is_waited_out_and_no_proof() -> None:
    few = TrackMetrics(30, 1)
    end = POLICY.promote_after_seconds
    assert isinstance(judged(few, step=Step(10, end - 1)), Hold)
    assert isinstance(judged(few, step=Step(10, end)), TakeStep)


def test_two_failures_of_a_few_requests_roll_back_when_time_is_up() -> None:
    few = TrackMetrics(60, 2)
    end = POLICY.promote_after_seconds
    assert isinstance(judged(few, step=Step(10, end - 1)), Hold)
    decision = judged(few, step=Step(10, end))
    assert decision == RollBack(
        "errors: 2 of the candidate's 60 requests failed, more than 1.11 % with 95 % confidence; "
        "1 % allowed, after 6 h at 10 %"
    )


# No traffic


@pytest.mark.parametrize("when_idle", ["hold", "promote"])
def test_no_traffic_is_no_verdict(when_idle: WhenIdle) -> None:
    step = Step(10, IDLE * BAKE - 1)
    policy = CanaryPolicy(when_idle=when_idle)
    assert isinstance(judged(TrackMetrics(), TrackMetrics(), step, policy), Hold)


def test_without_traffic_a_candidate_holds_where_the_bundle_says_so() -> None:
    late = Step(10, 100 * IDLE * BAKE)
    assert isinstance(judged(TrackMetrics(), TrackMetrics(), late, HOLDING), Hold)


def test_without_traffic_a_candidate_goes_on_when_time_is_up() -> None:
    end = POLICY.promote_after_seconds
    assert isinstance(judged(TrackMetrics(), TrackMetrics(), Step(10, end - 1)), Hold)
    assert judged(TrackMetrics(), TrackMetrics(), Step(10, end)) == TakeStep(
        50,
        "no proven harm in 0 requests of the candidate and 0 of the stable version "
        "after 6 h at 10 %",
    )
    assert isinstance(judged(TrackMetrics(), TrackMetrics(), Step(50, end)), Promote)


def test_little_traffic_is_enough_after_an_hour() -> None:
    few = replace(GOOD, requests=FEW_REQUESTS)
    assert isinstance(judged(few, few, Step(10, IDLE * BAKE - 1)), Hold)
    assert isinstance(judged(few, few, Step(10, IDLE * BAKE)), TakeStep)
    assert isinstance(judged(few, few, Step(10, IDLE * BAKE), HOLDING), Hold)


def test_a_step_is_never_shorter_than_its_bake_time() -> None:
    policy = CanaryPolicy(bake_seconds=86_400, promote_after_seconds=0)
    young = Step(10, 86_399)
    assert isinstance(judged(TrackMetrics(), TrackMetrics(), young, policy), Hold)


def test_the_end_of_a_rollout_is_known_unless_it_waits_for_requests_or_a_person() -> None:
    end = latest_seconds(POLICY, Step(10, 0))
    assert end is not None
    assert 2 * POLICY.promote_after_seconds <= end <= 2.5 * POLICY.promote_after_seconds
    assert latest_seconds(HOLDING, Step(10, 0)) is None
    assert latest_seconds(POLICY, Step(10, 0, paused=True)) is None


# A person's pause


def test_a_paused_rollout_holds_however_good_and_old_it_is() -> None:
    decision = judged(step=Step(10, 1000 * BAKE, paused=True))
    assert decision == Hold(3600, "paused at 10 %")


def test_a_paused_rollout_keeps_a_suspect_candidate() -> None:
    assert isinstance(judged(SUSPECT, step=Step(10, 10 * PATIENCE * BAKE, paused=True)), Hold)


def test_a_pause_protects_from_no_proven_harm_and_no_alarm() -> None:
    paused = Step(10, BAKE, paused=True)
    assert isinstance(judged(replace(GOOD, errors=50), step=paused), RollBack)
    assert isinstance(judged(step=paused, alarms=["pager"]), RollBack)


# The end of every hold


@pytest.mark.parametrize("paused", [False, True])
def test_a_step_that_holds_for_weeks_is_rolled_back(paused: bool) -> None:
    step = Step(10, HOLD_DAYS * 86400, paused)
    decision = judged(TrackMetrics(), step=step, policy=HOLDING)
    assert decision == RollBack("no verdict after 45 days at 10 %")
    before = replace(step, age_seconds=step.age_seconds - 1)
    assert isinstance(judged(TrackMetrics(), step=before, policy=HOLDING), Hold)


def looks(policy: CanaryPolicy) -> int:
    """Count the looks at a step without traffic until it ends."""
    age = 0.0
    for count in range(1, HISTORY_EVENTS):
        decision = judged(TrackMetrics(), step=Step(10, age), policy=policy)
        if not isinstance(decision, Hold):
            return count
        age += decision.seconds
    raise AssertionError(f"still holding after {age / 86400:.0f} days")


@pytest.mark.parametrize("bake_seconds", [0, 1, 300, 86_400])
def test_two_steps_that_hold_for_three_months_fit_an_executions_history(bake_seconds: int) -> None:
    events = 2 * looks(CanaryPolicy(bake_seconds=bake_seconds, when_idle="hold")) * EVENTS_A_LOOK
    assert events < HISTORY_EVENTS - 1_000, "the steps before the canary take some too"


def test_looks_are_frequent_while_young_and_hourly_when_old() -> None:
    assert seconds_to_next_look(POLICY, Step(10, 0)) == BAKE / 5
    assert seconds_to_next_look(POLICY, Step(10, 6_000)) == 600
    assert seconds_to_next_look(POLICY, Step(10, 10**7)) == 3600
    assert seconds_to_next_look(CanaryPolicy(bake_seconds=0), Step(10, 0)) == 2


METRICS = st.builds(
    TrackMetrics, st.integers(0, 5_000), st.integers(0, 5_000), *[st.floats(0, 1e5)] * 3
).filter(lambda metrics: metrics.errors <= metrics.requests)


@given(
    METRICS,
    METRICS,
    st.builds(Step, st.integers(1, 100), st.floats(0, 1e7), st.booleans()),
    st.sampled_from([(10, 50), (1,), (5, 100)]),
)
def test_every_decision_goes_forward_waits_or_gives_a_reason(
    stable: TrackMetrics, candidate: TrackMetrics, step: Step, steps: tuple[int, ...]
) -> None:
    decision = judged(candidate, stable, step, CanaryPolicy(steps_percent=steps))
    assert decision.reason
    if isinstance(decision, Hold):
        assert 2 <= decision.seconds <= 3600
    if isinstance(decision, TakeStep):
        assert step.percent < decision.percent <= 100
