"""Rollouts of one model in any order, with deaths between any two writes and two actors at once."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from serval.bundles.uploads import Uploads
from serval.foreign import ObjectCreated
from serval.models.registry import Rollout
from serval.rollouts.control import RolloutRefused
from serval.rollouts.policy.canary_policy import CanaryPolicy
from serval.rollouts.policy.decide import Promote
from serval.rollouts.steps.claim import Claim
from serval.rollouts.steps.conclude import Conclude
from tests.fakes.registration import (
    BUCKET,
    Crashes,
    InMemoryBucket,
    InMemoryClaims,
    InMemoryRegistry,
    manifest_of,
)
from tests.fakes.rollouts import FAILING, GOOD, MODEL, RollingModel
from tests.stateful.interruptions import (
    Interrupted,
    Interrupting,
    Interruption,
    before_writes,
    interruptions,
)
from tests.stateful.rollout_ledger import RolloutLedger
from tests.stateful.rollout_witness import RegistryWitness

MOST_UPLOADS, MOST_LOOKS = 7, 20
OWNERS = ("left", "right")
"""Executions that an event begins; it may come twice."""
WHICH = st.integers(0, MOST_UPLOADS - 1)
DIGESTS = st.sampled_from(["red", "green", "blue"])
NAMES = st.sampled_from(["u1", "u2"])
CLAIM = st.tuples(st.just("claim"), WHICH, st.sampled_from(OWNERS))
CONCLUDE = st.tuples(st.just("conclude"), WHICH)
BY_HAND = st.one_of(
    st.tuples(st.just("promote"), WHICH),
    st.tuples(st.just("abort"), WHICH),
    st.tuples(st.just("pause"), WHICH, st.booleans()),
    st.tuples(st.just("go_to"), st.integers(1, 3)),
)
STEP = st.one_of(
    st.tuples(st.just("register"), WHICH),
    st.tuples(st.just("evaluate"), WHICH, st.sampled_from([GOOD, GOOD, FAILING])),
)
ACTIONS = CLAIM | STEP | BY_HAND | CONCLUDE


@dataclass
class Uploaded:
    """An upload, and what became of it."""

    event: ObjectCreated
    digest: str
    policy: CanaryPolicy
    rollout: str | None = None
    """Id; None: nobody was told yet that it is theirs."""


class ReadModel(RollingModel):
    """A model whose records are read as everybody reads them."""

    def record(self, rollout: str) -> Rollout:
        found = self.registry.rollout(MODEL, rollout)
        assert found is not None
        return found


class RolloutMachine(RuleBasedStateMachine):
    """One model; a subclass may have another registry."""

    most_uploads = MOST_UPLOADS

    def __init__(self) -> None:
        super().__init__()
        self.interrupting = Interrupting()
        witness = RegistryWitness(self.make_registry())
        self.ledger = RolloutLedger(witness)
        self.interrupting.watch = self.ledger.check
        reached: Any = Interrupted(witness, self.interrupting)
        self.model = ReadModel(registry=reached)
        self.bucket = InMemoryBucket(Crashes())
        claims: Any = Interrupted(self.make_claims(), self.interrupting)
        self.claim = Claim(
            claims=claims,
            uploads=Uploads(self.bucket, reached),
            control=self.model.control,
            presign=self.bucket.presign,
            registry=reached,
            golden_functions={"*": "golden"},
        )
        self.uploads: list[Uploaded] = []

    def make_registry(self) -> Any:
        return InMemoryRegistry(Crashes())

    def make_claims(self) -> Any:
        return InMemoryClaims(Crashes(), lambda: self.model.tick())

    @precondition(lambda self: len(self.uploads) < self.most_uploads)
    @rule(name=NAMES, digest=DIGESTS, at_once=st.booleans())
    def upload(self, name: str, digest: str, at_once: bool) -> None:
        """Upload a bundle; a name that was used before gets another manifest."""
        files = {
            "model.onnx": f"{digest:8}{len(self.uploads)}".encode(),
            "model.yaml": b"name: iris",
        }
        key = f"incoming/{MODEL}/{name}/"
        for path, body in files.items():
            self.bucket.put(key + path, body)
        manifest = f"{key}manifest.json"
        version = self.bucket.put(manifest, manifest_of(MODEL, files).encode())
        policy = CanaryPolicy(steps_percent=()) if at_once else CanaryPolicy()
        self.uploads.append(Uploaded(ObjectCreated(BUCKET, manifest, version), digest, policy))

    @precondition(lambda self: len(self.uploads) < self.most_uploads - 1)
    @rule(name=NAMES, again=st.booleans(), owner=st.sampled_from(OWNERS), at=before_writes())
    def claim_at_once(self, name: str, again: bool, owner: str, at: Interruption) -> None:
        """Have two executions claim an upload, or one each of two that have one name."""
        for digest in ("red", "green") if again else ("red",):
            self.upload(name, digest, False)
        last = len(self.uploads) - 1
        self.act(("claim", last - again, "left"), at, ("claim", last, owner))

    @precondition(lambda self: len(self.uploads) < self.most_uploads)
    @rule(name=NAMES, digest=DIGESTS, last=ACTIONS, interruption=interruptions())
    def roll_out(
        self, name: str, digest: str, last: Any, interruption: Interruption | None
    ) -> None:
        """Have one more canary, and let something come meanwhile."""
        self.upload(name, digest, False)
        which = len(self.uploads) - 1
        self.act(("claim", which, "left"), interruption, last)
        self.act(("register", which), interruption, last)

    @precondition(lambda self: len(self.uploads) < self.most_uploads)
    @rule(
        name=NAMES, digest=DIGESTS, first=STEP | BY_HAND, last=BY_HAND, interruption=before_writes()
    )
    def meet(
        self, name: str, digest: str, first: Any, last: Any, interruption: Interruption
    ) -> None:
        """Have one more canary, which one changes between what another reads and writes."""
        self.upload(name, digest, False)
        which = len(self.uploads) - 1
        self.act(("claim", which, "right"), None, None)
        self.act(("register", which), None, None)
        self.model.wait(CanaryPolicy().bake_seconds)
        self.act(of_upload(first, which), interruption, of_upload(last, which))

    @precondition(lambda self: self.uploads)
    @rule(action=ACTIONS, interruption=interruptions(), meanwhile=ACTIONS)
    def act(self, action: Any, interruption: Interruption | None, meanwhile: Any) -> None:
        self.interrupting.run(
            lambda: self._do(*action), interruption, lambda: meanwhile and self._do(*meanwhile)
        )

    @rule()
    def pass_a_step(self) -> None:
        self.model.wait(CanaryPolicy().bake_seconds)

    @invariant()
    def everything_holds(self) -> None:
        self.ledger.check()

    def teardown(self) -> None:
        """Repeat what died, as the state machine does: every rollout ends."""
        for which in range(len(self.uploads)):
            for owner in OWNERS:
                self._do("claim", which, owner)
            self._do("pause", which, False)
            self._do("register", which)
        for _ in range(MOST_LOOKS):
            if all(one.ended for one in self.ledger.records.values()):
                break
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
            "claim": self._claim,
            "register": self._register,
            "evaluate": self._evaluate,
            "promote": lambda which: self._by_hand(which, lambda c, r: c.apply(r, Promote("me"))),
            "abort": lambda which: self._by_hand(which, lambda c, r: c.abort(r, "me")),
            "conclude": self._conclude,
            "pause": lambda which, paused: self._by_hand(
                which, lambda c, r: c.pause(r, paused=paused)
            ),
            "go_to": self._go_to,
        }

    def _found(self, which: int) -> Rollout | None:
        if which >= len(self.uploads) or self.uploads[which].rollout is None:
            return None
        found: Rollout | None = self.model.registry.rollout(MODEL, self.uploads[which].rollout)
        return found

    def _claim(self, which: int, owner: str) -> None:
        """Do the first step of an execution; it goes on if the upload is its own."""
        if which >= len(self.uploads):
            return
        upload = self.uploads[which]
        outcome = self.claim.claim(upload.event, owner)
        if outcome["outcome"] != "ignored":
            upload.rollout = outcome["rollout"]
            self.ledger.claimed(which, owner, outcome["rollout"])
        if outcome["outcome"] == "refused":
            self._conclude(which)

    def _conclude(self, which: int) -> None:
        """End a rollout that a step has refused."""
        if self._found(which) is None:
            return
        known = {"model": MODEL, "rollout": self.uploads[which].rollout, "reasons": ["bad"]}
        said = Conclude(self.model.control, self.model.registry).conclude(known)
        assert said["status"] != "running"

    def _register(self, which: int) -> None:
        """Do what ``register`` does with a checked upload."""
        found = self._found(which)
        if found is None:
            return
        upload = self.uploads[which]
        if found.ended:
            self.model.control.reconcile(found)
            return
        noted = self.model.control.note(found, step="registering")
        self.model.control.begin(noted, self.model.verified(upload.digest), upload.policy)

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

    def _go_to(self, which: int) -> None:
        """Make another version stable, where there is one."""
        route = self.ledger.route
        if route is None:
            return
        known = sorted({one.version for one in self.model.registry.versions(MODEL)})
        others = [version for version in known if version != route.stable] or known
        self.model.control.go_to(MODEL, others[which % len(others)], "by hand")


def of_upload(action: Any, which: int) -> Any:
    """Give an action about another upload; one about none stays what it is."""
    verb, *given = action
    return action if verb == "go_to" else (verb, which, *given[1:])
