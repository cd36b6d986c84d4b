"""Conclusion: the end of a rollout that a step refused, or that failed at a step."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

from serval.models.registry import ModelRegistry, Rollout
from serval.models.storage import parse_key
from serval.object_created import ObjectCreated, claim_id
from serval.rollouts.control import RolloutControl
from serval.rollouts.steps.claim import rollout_ids
from serval.rollouts.steps.outcomes import failure_in_words


class RolloutVerdict(TypedDict):
    """How a rollout ended, and why."""

    status: str
    reason: str


@dataclass(frozen=True, slots=True)
class Conclude:
    """Everything that concluding takes."""

    control: RolloutControl
    registry: ModelRegistry

    def conclude(self, event: Mapping[str, Any]) -> RolloutVerdict:
        """End a rollout with the reasons given; doing it again changes nothing.

        Without a share of the traffic it is refused, with one it is rolled back. One that has ended
        keeps its verdict; where no rollout was recorded, there is none to end.

        Parameters
        ----------
        event
            ``model`` and ``rollout`` if they are known, else the ``event`` that began it all; and
            ``reasons`` or the ``error`` caught.
        """
        known = self._known(event)
        reason = reason_of(event, known.step if known else "claimed")
        if known is None:
            return {"status": "refused", "reason": reason}
        rollout = self.control.reconcile(known)
        if not rollout.ended:
            rollout = self.control.refuse(rollout, reason)
        return {"status": rollout.status, "reason": rollout.reason}

    def _known(self, event: Mapping[str, Any]) -> Rollout | None:
        if "rollout" in event:
            return self.registry.rollout(event["model"], event["rollout"])
        return self._claimed(ObjectCreated.from_event(event["event"])) if "event" in event else None

    def _claimed(self, created: ObjectCreated) -> Rollout | None:
        """Find the rollout that ``claim`` began for an object, and got no further with."""
        incoming = parse_key(created.key)
        if incoming is None:
            return None
        claimed = claim_id(created.bucket, created.key, created.version_id or "")
        for rollout_id in rollout_ids(incoming, claimed):
            known = self.registry.rollout(incoming.model, rollout_id)
            if known is not None and known.step == "claimed" and not known.ended:
                return known
        return None


def reason_of(event: Mapping[str, Any], step: str) -> str:
    """Give the reasons, or what is known of the failure at a step."""
    reasons = [*event.get("reasons", ())]
    if error := event.get("error"):
        reasons.append(failure_in_words(step, error))
    return "\n".join(reasons) or "ended without a reason"
