"""How many models a stage takes: what AWS allows a stack and a function's environment."""

import json
from collections import Counter
from collections.abc import Mapping

from serval.settings import pack
from stacks.stage.deployed_models import DeployedModels

LIMIT_RESOURCES = 500
LIMIT_TOLD_BYTES = 3000
"""Of what one function is told of models and fleets: all of its variables may have 4 KB."""


class StageTooLarge(Exception):
    """A stack would have more resources than CloudFormation takes."""

    def __init__(self, stack: str, resources: int, models: str) -> None:
        super().__init__(
            f"{models} make {resources} resources in the stack {stack!r}, and CloudFormation takes "
            f"{LIMIT_RESOURCES}: deploy some of them to another stage"
        )


class TooMuchToTell(Exception):
    """What functions are told of models does not fit their environment."""

    def __init__(self, models: int, size_bytes: int) -> None:
        super().__init__(
            f"what functions are told of {models} models takes {size_bytes} bytes of their "
            f"environment, and at most {LIMIT_TOLD_BYTES} fit: give the models shorter names, or "
            "deploy some of them to another stage"
        )


def check_capacity(models: DeployedModels) -> None:
    """Refuse more models than a stage takes.

    Raises
    ------
    StageTooLarge
        If a stack would have too many resources.
    TooMuchToTell
        If functions cannot be told of all models.
    """
    own, on_fleets = len(models.own_functions), len(models.fleets.models)
    for stack, resources in resources_at_most(models).items():
        if resources > LIMIT_RESOURCES:
            raise StageTooLarge(
                stack,
                resources,
                f"{own} models with functions of their own, {on_fleets} models on "
                f"{len(models.fleets.by_name)} fleets and {_schedules(models)} schedules",
            )
    told = pack(json.dumps(dict(models.own_functions))) + models.fleets.to_text()
    size_bytes = len(told + models.machine_prices_json())
    if size_bytes > LIMIT_TOLD_BYTES:
        raise TooMuchToTell(own + on_fleets, size_bytes)


def resources_at_most(models: DeployedModels) -> Mapping[str, int]:
    """Return how many resources each stack has for the models, a little more rather than less."""
    own, on_fleets = len(models.own_functions), len(models.fleets.models)
    kinds = Counter(fleet.kind for fleet in models.fleets.by_name.values())
    return {
        "models": 3 + 7 * own,
        "api": 212 + 4 * own + 2 * on_fleets + _schedules(models),
        "fleets": 30 + 20 * kinds["spot"] + 10 * kinds["sagemaker"] + 5 * on_fleets,
    }


def _schedules(models: DeployedModels) -> int:
    return sum(len(one.schedules) + len(one.retrain) for one in models.scheduled.values())
