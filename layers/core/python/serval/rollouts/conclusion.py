"""Conclusion: the end of a rollout that a step refused, or that failed at a step."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

from serval.registry import ModelRegistry
from serval.rollouts.control import RolloutControl
from serval.rollouts.failures import failure_in_words


class Verdict(TypedDict):
    """How a rollout ended, and why."""

    status: str
    reason: str


@dataclass(frozen=True, slots=True)
class Conclusion:
    """Everything that concluding takes."""

    control: RolloutControl
    registry: ModelRegistry

    def conclude(self, event: Mapping[str, Any]) -> Verdict:
        """End a rollout with the reasons given; doing it again changes nothing.

        Without a share of the traffic it is refused, with one it is rolled back. One that has ended
        keeps its verdict; where no rollout was recorded, there is none to end.

        Parameters
        ----------
        event
            ``model`` and ``rollout`` if they are known, and ``reasons`` or the ``error`` caught.
        """
        model, rollout_id = event.get("model"), event.get("rollout")
        known = self.registry.rollout(model, rollout_id) if model and rollout_id else None
        reason = reason_of(event, known.step if known else "claimed")
        if known is None:
            return {"status": "refused", "reason": reason}
        rollout = self.control.reconcile(known)
        if not rollout.ended:
            rollout = self.control.refuse(rollout, reason)
        return {"status": rollout.status, "reason": rollout.reason}


def reason_of(event: Mapping[str, Any], step: str) -> str:
    """Give the reasons, or what is known of the failure at a step."""
    reasons = [*event.get("reasons", ())]
    if error := event.get("error"):
        reasons.append(failure_in_words(step, error))
    return "\n".join(reasons) or "ended without a reason"
