"""Executions of the rollout's state machine over a stage in memory."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from serval.bundles.uploads import Upload
from serval.foreign import ObjectCreated
from tests.fakes.registration import Crash

if TYPE_CHECKING:
    from tests.fakes.stage import Stage


@dataclass(frozen=True)
class Outcome:
    """How the state machine's execution ended, or that it goes on measuring the canary."""

    status: str
    reason: str = ""
    version: str | None = None


@dataclass(frozen=True)
class StepFailed(Exception):
    """A step ended as Lambda or Step Functions puts it."""

    error: str
    cause: str


class Refused(Exception):
    """A step refused the upload."""

    def __init__(self, reasons: list[str]) -> None:
        super().__init__(reasons)
        self.reasons = reasons


TRIES = {"claim": 4, "register": 4, "conclude": 8}
"""How often the state machine calls a step whose function fails; once if it is not here."""


@dataclass
class Execution:
    """One execution of the state machine, as ``stacks.rollouts.machine`` defines it."""

    stage: "Stage"
    event: ObjectCreated
    owner: str
    rollout: dict[str, str] = field(default_factory=dict)
    began: list[tuple[str, int]] = field(default_factory=list)
    """Each step and how many calls of ports came before it."""

    def run(self) -> Outcome:
        """Go from step to step; what refuses or fails is concluded."""
        stage = self.stage
        try:
            claim = self._step("claim", stage.claim.claim, self.event, self.owner)
            if claim["outcome"] == "ignored":
                return Outcome("ignored", "\n".join(claim["reasons"]))
            self.rollout = {"model": claim["model"], "rollout": claim["rollout"]}
            self._passed(claim)
            return self._check_and_register(claim["upload"], claim["urls"])
        except Refused as refused:
            return self._conclude(reasons=refused.reasons)
        except StepFailed as failed:
            return self._conclude(error={"Error": failed.error, "Cause": failed.cause})

    def _check_and_register(self, upload: Any, urls: Any) -> Outcome:
        stage, whole = self.stage, Upload.from_json(upload)
        verified = self._checked("verify", stage.verify.verify, whole, urls)["verified"]
        self._note("optimising")
        handed_on = {"upload": upload, "verified": verified}
        optimised = self._optimised(handed_on)
        self._note("checking golden")
        handed_on["forms"] = optimised["forms"]
        golden = self._checked("golden", stage.golden.check, handed_on)["golden"]
        self._note("registering")
        handed_on |= {"optimised": optimised, "golden": golden}
        begun = self._checked("register", stage.register.register, handed_on)
        rollout = stage.registry.rollout_records[upload["model"], upload["rollout"]]
        assert rollout.status == begun["status"]
        return Outcome(rollout.status, rollout.reason, rollout.version)

    def _optimised(self, handed_on: Any) -> Any:
        """Give the forms; a version goes on without them when making them fails."""
        try:
            return self._checked("optimise", self.stage.optimise.optimise, handed_on)
        except StepFailed:
            return {"outcome": "passed", "forms": [], "notes": ["no forms"]}

    def _checked(self, name: str, call: Callable[..., Any], *given: Any) -> Any:
        return self._passed(self._step(name, call, *given))

    def _passed(self, outcome: Any) -> Any:
        if outcome["outcome"] == "refused":
            raise Refused(outcome["reasons"])
        assert outcome["outcome"] == "passed"
        return outcome

    def _step(self, name: str, call: Callable[..., Any], *given: Any) -> Any:
        """Call a step's function as often as the state machine does."""
        self.began.append((name, len(self.stage.crashes.calls)))
        for last in [*[False] * (TRIES.get(name, 1) - 1), True]:
            try:
                return self._invoke(name, call, *given)
            except StepFailed:
                if last:
                    raise
        raise AssertionError("unreachable")

    def _invoke(self, name: str, call: Callable[..., Any], *given: Any) -> Any:
        if name in self.stage.failing:
            raise self.stage.failing[name]
        try:
            return json.loads(json.dumps(call(*given), allow_nan=False))
        except Crash:
            cause = {"errorMessage": "RequestId: r Error: Runtime exited with error: exit status 1"}
            raise StepFailed("Runtime.ExitError", json.dumps(cause)) from None
        except Exception as error:
            cause = {"errorMessage": str(error), "errorType": type(error).__name__}
            raise StepFailed(type(error).__name__, json.dumps(cause)) from error

    def _note(self, step: Any) -> None:
        """Do what the state machine writes itself, on condition that the rollout runs."""
        key = self.rollout["model"], self.rollout["rollout"]
        record = self.stage.registry.rollout_records[key]
        if record.ended:
            raise StepFailed("DynamoDB.ConditionalCheckFailedException", "The conditional …")
        self.stage.registry.rollout_records[key] = replace(record, step=step)

    def _conclude(self, **ending: Any) -> Outcome:
        conclude = self.stage.conclude.conclude
        created = {"key": self.event.key, "version-id": self.event.version_id}
        detail = {"bucket": {"name": self.event.bucket}, "object": created}
        begun = self.rollout or {"event": {"detail": detail}}
        verdict = self._step("conclude", conclude, {**begun, **ending})
        known = self.stage.registry.rollout_records.get(tuple(self.rollout.values()))
        return Outcome(verdict["status"], verdict["reason"], known.version if known else None)
