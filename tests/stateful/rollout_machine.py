"""Rollouts of one model in any order, with deaths between any two writes and two actors at once."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from serval.registry import Rollout
from serval.rollouts.control import RolloutRefused
from serval.rollouts.policy import CanaryPolicy, Promote
from tests.fakes.registration import Crashes, InMemoryRegistry
from tests.fakes.rollouts import FAILING, GOOD, MODEL, RollingModel
from tests.stateful.interruptions import Interrupted, Interrupting, Interruption, interruptions
from tests.stateful.rollout_ledger import RolloutLedger

MOST_UPLOADS, MOST_LOOKS = 5, 20
WHICH = st.integers(0, MOST_UPLOADS - 1)
DIGESTS = st.sampled_from(["red", "green", "blue"])
ACTIONS = st.one_of(
    st.tuples(st.just("register"), WHICH),
    st.tuples(st.just("evaluate"), WHICH, st.sampled_from([GOOD, GOOD, FAILING])),
    st.tuples(st.just("promote"), WHICH),
    st.tuples(st.just("abort"), WHICH),
    st.tuples(st.just("refuse"), WHICH),
    st.tuples(st.just("pause"), WHICH, st.booleans()),
    st.tuples(st.just("go_to"), st.integers(1, 3)),
)


class ReadModel(RollingModel):
    """A model whose records are read as everybody reads them."""

    def record(self, rollout: str) -> Rollout:
        found = self.registry.rollout(MODEL, rollout)
        assert found is not None
        return found


class RolloutMachine(RuleBasedStateMachine):
    """One model; a subclass may have another registry."""

    def __init__(self) -> None:
        super().__init__()
        self.interrupting = Interrupting()
        registry = self.make_registry()
        self.ledger = RolloutLedger(registry)
        self.interrupting.watch = self.ledger.check
        reached: Any = Interrupted(registry, self.interrupting)
        self.model = ReadModel(registry=reached)
        self.uploads: list[tuple[Rollout, str, CanaryPolicy]] = []

    def make_registry(self) -> Any:
        return InMemoryRegistry(Crashes())

    @precondition(lambda self: len(self.uploads) < MOST_UPLOADS)
    @rule(digest=DIGESTS, at_once=st.booleans())
    def upload(self, digest: str, at_once: bool) -> None:
        policy = CanaryPolicy(steps_percent=()) if at_once else CanaryPolicy()
        self.uploads.append((self.model.claim(), digest, policy))

    @precondition(lambda self: len(self.uploads) < MOST_UPLOADS)
    @rule(digest=DIGESTS, last=ACTIONS, interruption=interruptions())
    def roll_out(self, digest: str, last: Any, interruption: Interruption | None) -> None:
        """Have one more canary, and let something come meanwhile."""
        self.upload(digest, False)
        self.act(("register", len(self.uploads) - 1), interruption, last)

    @precondition(lambda self: self.uploads)
    @rule(action=ACTIONS, interruption=interruptions(), meanwhile=ACTIONS)
    def act(self, action: Any, interruption: Interruption | None, meanwhile: Any) -> None:
        self.interrupting.run(lambda: self._do(*action), interruption, lambda: self._do(*meanwhile))

    @rule()
    def pass_a_step(self) -> None:
        self.model.wait(CanaryPolicy().bake_seconds)

    @invariant()
    def everything_holds(self) -> None:
        self.ledger.check()

    def teardown(self) -> None:
        """Repeat what died, as the state machine does: every rollout ends."""
        for which in range(len(self.uploads)):
            self._do("pause", which, False)
            self._do("register", which)
        for _ in range(MOST_LOOKS):
            self.model.wait(CanaryPolicy().bake_seconds)
            for which in range(len(self.uploads)):
                self._do("evaluate", which, GOOD)
        running = [one for one in self.ledger.records.values() if not one.ended]
        assert running == []
        self.ledger.check()

    def _do(self, verb: str, *given: Any) -> None:
        # What has no share of the traffic yet is promoted by nobody.
        with suppress(RolloutRefused):
            self._steps[verb](*given)

    @property
    def _steps(self) -> dict[str, Callable[..., object]]:
        return {
            "register": self._register,
            "evaluate": self._evaluate,
            "promote": lambda which: self._by_hand(which, lambda c, r: c.apply(r, Promote("me"))),
            "abort": lambda which: self._by_hand(which, lambda c, r: c.abort(r, "me")),
            "refuse": lambda which: self._by_hand(which, lambda c, r: c.refuse(r, "bad")),
            "pause": lambda which, paused: self._by_hand(
                which, lambda c, r: c.pause(r, paused=paused)
            ),
            "go_to": self._go_to,
        }

    def _found(self, which: int) -> Rollout | None:
        if which >= len(self.uploads):
            return None
        found: Rollout | None = self.model.registry.rollout(MODEL, self.uploads[which][0].rollout)
        return found

    def _register(self, which: int) -> None:
        """Do what ``register`` does with a checked upload."""
        found = self._found(which)
        if found is None:
            return
        _, digest, policy = self.uploads[which]
        if found.ended:
            self.model.control.reconcile(found)
            return
        noted = self.model.control.note(found, step="registering")
        self.model.control.begin(noted, self.model.verified(digest), policy)

    def _evaluate(self, which: int, metrics: Any) -> None:
        """Do what ``evaluate`` does: once a rollout has begun, and only then."""
        found = self._found(which)
        if found is None or (found.version is None and not found.ended):
            return
        looked, decision = self._look(found.rollout, metrics)
        if decision is not None:
            self.model.control.apply(looked, decision)

    def _look(self, rollout: str, metrics: Any) -> Any:
        return self.model.look(rollout, candidate=metrics)

    def _by_hand(self, which: int, deed: Callable[[Any, Rollout], object]) -> None:
        found = self._found(which)
        if found is not None:
            deed(self.model.control, found)

    def _go_to(self, version: int) -> None:
        known = {one.version for one in self.model.registry.versions(MODEL)}
        if str(version) in known and self.ledger.route is not None:
            self.model.control.go_to(MODEL, str(version), "by hand")
