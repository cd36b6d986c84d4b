"""Names of the topics on which endpoints announce finished inferences, one for each outcome.

The names are fixed: an export used by another stack could not be removed with the last endpoint.
"""

from typing import Literal

from stacks.stage.stage import Stage

Outcome = Literal["success", "error"]
OUTCOMES: tuple[Outcome, ...] = ("success", "error")


def topic_name(stage: Stage, outcome: Outcome) -> str:
    """Return the name of an outcome's topic."""
    return f"serval-{stage.name}-endpoints-{outcome}"
