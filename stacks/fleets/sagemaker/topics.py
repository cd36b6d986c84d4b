"""Names of the topics on which endpoints say that an inference has ended, one for each outcome.

By fixed names: an export of one stack that another uses could not go with the last endpoint.
"""

from typing import Literal

from stacks.stage.stage import Stage

Outcome = Literal["success", "error"]
OUTCOMES: tuple[Outcome, ...] = ("success", "error")


def topic_name(stage: Stage, outcome: Outcome) -> str:
    """Name the topic of an outcome."""
    return f"serval-{stage.name}-endpoints-{outcome}"
