"""Conclude a rollout that a step refused, or that failed at a step."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

from serval.foreign import ObjectCreated
from serval.models.registry import ModelRegistry, Rollout
from serval.models.storage import claim_id, parse_key
from serval.rollouts.control import RolloutControl
from serval.rollouts.standing import DOING
from serval.rollouts.steps.claim import rollout_ids
from serval.step_failures import OUT_OF_MEMORY, THROTTLED, TIMED_OUT, StepFailure

ALLOWED = re.compile(r"timed out after (\d+)(?:\.\d+)? seconds")
SIGNAL = re.compile(r"signal: ([a-z ]+)")
GONE = re.compile(r"Runtime exited|Runtime\.ExitError|Worker process died|Worker returned no")


class RolloutVerdict(TypedDict):
    """How a rollout ended, and why."""

    status: str
    reason: str


@dataclass(frozen=True, slots=True)
class Conclude:
    """Ends rollouts that cannot go on."""

    control: RolloutControl
    registry: ModelRegistry

    def conclude(self, event: Mapping[str, Any]) -> RolloutVerdict:
        """End a rollout, and return its verdict; repeating it changes nothing.

        A rollout without a share of the traffic is refused, one with a share is rolled back. One
        that has ended keeps its verdict. An event that started no rollout ends none.

        Parameters
        ----------
        event
            ``model`` and ``rollout`` if they are known, else the ``event`` that started the
            execution; and ``reasons`` or the ``error`` that was caught.
        """
        known = self._find(event)
        reason = reason_of(event, known.step if known else "claimed")
        if known is None:
            return {"status": "refused", "reason": reason}
        rollout = self.control.reconcile(known)
        if not rollout.ended:
            rollout = self.control.refuse(rollout, reason)
        return {"status": rollout.status, "reason": rollout.reason}

    def _find(self, event: Mapping[str, Any]) -> Rollout | None:
        if "rollout" in event:
            return self.registry.rollout(event["model"], event["rollout"])
        if "event" in event:
            return self._find_claimed(ObjectCreated.from_event(event["event"]))
        return None

    def _find_claimed(self, created: ObjectCreated) -> Rollout | None:
        """Find the rollout that ``claim`` recorded for an object and that got no further."""
        incoming = parse_key(created.key)
        if incoming is None:
            return None
        claim = claim_id(created.bucket, created.key, created.version_id or "")
        for rollout_id in rollout_ids(incoming, claim):
            known = self.registry.rollout(incoming.model, rollout_id)
            if known is not None and known.step == "claimed" and not known.ended:
                return known
        return None


def reason_of(event: Mapping[str, Any], step: str) -> str:
    """Join the reasons with what is known of the failure at a step."""
    reasons = [*event.get("reasons", ())]
    if error := event.get("error"):
        reasons.append(describe_failure(step, error))
    return "\n".join(reasons) or "ended without a reason"


def describe_failure(step: str, error: Mapping[str, Any]) -> str:
    """Describe the failure of a step, as Step Functions caught it, in a data scientist's words."""
    return f"{DOING.get(step, step)} failed: {explain_failure(StepFailure.from_json(error))}"


def explain_failure(failure: StepFailure) -> str:
    """Recognise how a function died; any other exception speaks for itself."""
    if failure.matches(OUT_OF_MEMORY):
        return "out of memory: the model needs more than this step has; try a smaller one"
    if failure.matches(TIMED_OUT):
        allowed = failure.matches(ALLOWED)
        limit = f" within {allowed[1]} seconds" if allowed else " in time"
        return f"it did not end{limit}: the model hangs, or is too large or too slow for this step"
    if signal := failure.matches(SIGNAL):
        return f"it crashed ({signal[1].strip()}): the runtime does not survive this model"
    if failure.matches(GONE):
        return "it crashed or ran out of memory: the runtime does not survive this model"
    if failure.matches(THROTTLED):
        return "too many functions run in this account at the moment; push again later"
    return str(failure) or "for no reason given"
