"""Whatever uploads, people, crashes and metrics do to a model, its rollouts stay sound."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from serval.models.registry import Rollout
from serval.rollouts.policy.canary_policy import CanaryPolicy
from serval.rollouts.policy.decide import HOLD_DAYS, Decision, Promote, RollBack, TrackMetrics
from tests.fakes.registration import Crash, Crashes
from tests.fakes.rollouts import FAILING, GOOD, MODEL, RollingModel
from tests.stateful.extent import extent

pytestmark = pytest.mark.slow

DIGESTS = st.sampled_from(["a", "b", "c", "d"])
CRASHES = st.one_of(st.none(), st.none(), st.tuples(st.integers(0, 12), st.booleans()))


@st.composite
def metrics(draw: st.DrawFn) -> TrackMetrics:
    requests = draw(st.integers(0, 2_000))
    lower, middle, upper = sorted(draw(st.tuples(*[st.floats(0, 1e4)] * 3)))
    return TrackMetrics(requests, draw(st.integers(0, requests)), middle, lower, upper)


METRICS = st.sampled_from([GOOD, FAILING]) | metrics()


class Rollouts(RuleBasedStateMachine):
    """A model under everything that may happen to it, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.model = RollingModel()
        self.pending: list[tuple[Rollout, str]] = []
        """Uploads in verification, or whose registration crashed and will be tried again."""
        self.running: list[str] = []
        """Rollouts that an execution evaluates."""
        self.decided: list[tuple[Rollout, Decision]] = []
        """What slow evaluations still are to carry out."""
        self.verdicts: dict[str, Rollout] = {}
        self.shares: dict[str, int] = {}

    @initialize(
        steps=st.sampled_from([(10, 50), (5, 20, 100), ()]),
        bake_seconds=st.sampled_from([0.0, 60.0, 300.0]),
        when_idle=st.sampled_from(["promote", "hold"]),
    )
    def deploy(self, **policy: Any) -> None:
        self.model.policy = CanaryPolicy(steps_percent=policy.pop("steps"), **policy)
        self.model.roll_out("a")

    def attempt(
        self, action: Callable[[], Any], crash: tuple[int, bool] | None = None
    ) -> Any | None:
        """Do something that may die at a call of the registry; None if it did."""
        self.model.tick()
        crashes = self.model.registry.crashes = Crashes(*crash) if crash else Crashes()
        try:
            return action()
        except Crash:
            return None
        finally:
            if crashes is self.model.registry.crashes:
                self.model.registry.crashes = Crashes()

    @rule()
    def publish(self) -> None:
        """Upload bytes that are new, whose registration nothing disturbs."""
        claimed = self.model.claim()
        self.running.append(self.model.begin(claimed, claimed.rollout).rollout)

    @rule(digest=DIGESTS)
    def upload(self, digest: str) -> None:
        self.pending.append((self.model.claim(), digest))

    @precondition(lambda self: self.pending)
    @rule(data=st.data(), crash=CRASHES, end=st.sampled_from(["begin", "begin", "refuse", "abort"]))
    def register(self, data: st.DataObject, crash: tuple[int, bool] | None, end: str) -> None:
        """Register an upload, or give it up, perhaps after its registration crashed for good."""
        upload = data.draw(st.sampled_from(self.pending))
        claimed, digest = upload
        if end == "begin":
            begun = self.attempt(lambda: self.model.begin(claimed, digest), crash)
            self.running += [begun.rollout] if begun else []
        else:
            known, give_up = self.model.record(claimed.rollout), getattr(self.model.control, end)
            begun = self.attempt(lambda: give_up(known, "given up"), crash)
        if begun is not None:
            self.pending.remove(upload)

    @precondition(lambda self: self.running)
    @rule(data=st.data(), candidate=METRICS, stable=METRICS, crash=CRASHES)
    def evaluate(
        self,
        data: st.DataObject,
        candidate: TrackMetrics,
        stable: TrackMetrics,
        crash: tuple[int, bool] | None,
    ) -> None:
        rollout = data.draw(st.sampled_from(self.running[-3:]))
        self.attempt(
            lambda: self.model.evaluate(rollout, candidate=candidate, stable=stable), crash
        )

    @precondition(lambda self: self.running)
    @rule(data=st.data(), candidate=METRICS, stable=METRICS)
    def decide_slowly(
        self, data: st.DataObject, candidate: TrackMetrics, stable: TrackMetrics
    ) -> None:
        rollout = data.draw(st.sampled_from(self.running[-3:]))
        found, decision = self.model.look(rollout, candidate, stable)
        if decision is not None:
            self.decided.append((found, decision))

    @precondition(lambda self: self.decided)
    @rule(data=st.data(), crash=CRASHES)
    def carry_out(self, data: st.DataObject, crash: tuple[int, bool] | None) -> None:
        decided = data.draw(st.sampled_from(self.decided))
        self.decided.remove(decided)
        self.attempt(lambda: self.model.control.apply(*decided), crash)

    @rule(seconds=st.sampled_from([1, 60, 300, 3_600, 86_400, HOLD_DAYS * 86_400]))
    def wait(self, seconds: int) -> None:
        self.model.wait(seconds)

    @rule(paused=st.booleans())
    def pause(self, paused: bool) -> None:
        running = self.model.control.running(MODEL)
        if running is not None:
            assert self.model.control.note(running, paused=paused).paused == paused
            before = self.model.registry.rollout_records[MODEL, running.rollout]
            for found, _ in self.decided:
                if found.rollout == running.rollout:
                    self.model.control.note(found, reason="looked")
            after = self.model.registry.rollout_records[MODEL, running.rollout]
            assert after.paused == before.paused, "a pause was lost to a slower writer"

    @rule(
        data=st.data(),
        crash=CRASHES,
        act=st.sampled_from([RollBack("by hand"), Promote("by hand"), "go to"]),
        contended=st.booleans(),
    )
    def act_by_hand(
        self,
        data: st.DataObject,
        crash: tuple[int, bool] | None,
        act: RollBack | Promote | str,
        contended: bool,
    ) -> None:
        """Roll back, promote or go to a version, perhaps while another writer takes a step."""
        route = self.model.route
        running = self.model.control.running(MODEL)
        if running is not None and contended:
            self.model.registry.rival = replace(route, percent=100, revision=route.revision + 1)
        if isinstance(act, str):
            version = data.draw(st.sampled_from(self.model.registry.versions(MODEL))).version
            stable = version
            done = self.attempt(lambda: self.model.control.go_to(MODEL, version, act), crash)
        elif running is not None:
            stable = route.stable if isinstance(act, RollBack) else route.candidate or ""
            done = self.attempt(lambda: self.model.control.apply(running, act), crash)
        else:
            return
        self.model.registry.rival = None
        if done is not None:
            assert done.ended
            assert (self.model.route.stable, self.model.route.candidate) == (stable, None)

    @invariant()
    def only_registered_versions_are_routed(self) -> None:
        if not self.model.registry.routes:
            return
        route = self.model.route
        registered = {record.version for record in self.model.registry.versions(MODEL)}
        assert route.stable in registered
        assert route.candidate is None or route.candidate in registered - {route.stable}

    @invariant()
    def shares_are_shares_and_only_grow(self) -> None:
        if not self.model.registry.routes:
            return
        route = self.model.route
        if route.candidate is None:
            assert route.percent == 0
            return
        assert self.shares.get(route.rollout, 0) <= route.percent <= 100
        self.shares[route.rollout] = route.percent

    @invariant()
    def a_candidate_is_a_running_rollouts(self) -> None:
        if self.model.registry.routes and self.model.route.candidate is not None:
            assert not self.model.record(self.model.route.rollout).ended

    @invariant()
    def a_verdict_stands(self) -> None:
        for (_, name), rollout in self.model.registry.rollout_records.items():
            if rollout.ended:
                assert rollout.reason
                assert rollout == self.verdicts.setdefault(name, rollout)
                assert self.model.announced.count(rollout) <= 1

    @invariant()
    def rolling_back_is_always_possible(self) -> None:
        model = self.model.copy()
        if not model.registry.routes:
            return
        before = model.route
        if (running := model.control.running(MODEL)) is not None:
            assert model.control.apply(running, RollBack("by hand")).status == "rolled back"
        assert (model.route.stable, model.route.candidate) == (before.stable, None)
        for version in model.registry.versions(MODEL):
            assert model.control.go_to(MODEL, version.version, "by hand").status == "promoted"

    def teardown(self) -> None:
        """Nothing is stuck: each rollout ends, with traffic, without it, and if left paused."""
        for candidate in (GOOD, FAILING, TrackMetrics()):
            model = self.model.copy()
            for rollout, digest in self.pending:
                model.begin(rollout, digest)
            names = [rollout.rollout for rollout, _ in self.pending] + self.running
            for _ in range(4 * (len(model.policy.steps_percent) + 1)):
                for name in names:
                    model.evaluate(name, candidate=candidate)
                model.wait(HOLD_DAYS * 86_400 / 3)
            assert all(model.record(name).ended for name in names)
            assert not model.registry.routes or model.route.candidate is None


Rollouts.TestCase.settings = extent(100, steps=40)
TestNeverStuck = Rollouts.TestCase
