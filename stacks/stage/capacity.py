"""Limits of AWS on the number of models in a stage."""

import json
from collections import Counter
from collections.abc import Mapping

from serval.settings import pack
from stacks.stage.deployed_models import DeployedModels

LIMIT_RESOURCES = 500
LIMIT_TOLD_BYTES = 3000
"""Limit on the description of models and fleets; all variables of a function share 4 KB."""


class StageTooLarge(Exception):
    """A stack would have more resources than CloudFormation accepts."""

    def __init__(self, stack: str, resources: int, models: str) -> None:
        super().__init__(
            f"{models} make {resources} resources in the stack {stack!r}, and CloudFormation "
            f"accepts {LIMIT_RESOURCES}: deploy some of them to another stage"
        )


class TooMuchToTell(Exception):
    """The description of the models does not fit functions' environments."""

    def __init__(self, models: int, size_bytes: int) -> None:
        super().__init__(
            f"the description of {models} models takes {size_bytes} bytes of functions' "
            f"environments, and at most {LIMIT_TOLD_BYTES} fit: give the models shorter names, or "
            "deploy some of them to another stage"
        )


def check_capacity(models: DeployedModels) -> None:
    """Refuse more models than a stage can hold.

    Raises
    ------
    StageTooLarge
        If a stack would have too many resources.
    TooMuchToTell
        If functions' environments cannot describe all models.
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
    """Estimate each stack's number of resources, erring on the high side."""
    own, on_fleets = len(models.own_functions), len(models.fleets.models)
    stand_ins = len(models.stand_ins)
    kinds = Counter(fleet.kind for fleet in models.fleets.by_name.values())
    return {
        "models": 4 + 7 * own + 4 * stand_ins,
        "api": 226 + 4 * own + (24 + 4 * on_fleets if on_fleets else 0) + _schedules(models),
        "fleets": 30 + 20 * kinds["spot"] + 10 * kinds["sagemaker"] + 5 * on_fleets,
    }


def _schedules(models: DeployedModels) -> int:
    return sum(len(one.schedules) + len(one.retrain) for one in models.scheduled.values())
