"""Which handlers of fleets have a function that checks them, and why others have none."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from aws_cdk import Annotations
from constructs import Construct

from stacks.stage.deployed_models import DeployedModels
from stacks.stage.handler_code import LEFT_MB, HandlerNotDeployable, HandlerPackages

MEMORY_MIB = 3008
"""The most that Lambda gives a function in a new account; a fleet's machine has more."""


@dataclass(frozen=True)
class StandIns:
    """Handlers of fleets that functions check, in the place of the fleets' machines."""

    packages: Mapping[str, HandlerPackages]
    """By the model."""
    unchecked: Mapping[str, str]
    """Model → why no function has its packages."""

    @classmethod
    def install(cls, models: DeployedModels, layers: str) -> Self:
        """Install the packages of handlers on fleets for functions.

        A handler needs no function to be deployed: what cannot be installed is only noted.

        Parameters
        ----------
        layers
            The variant of the stage's layers.
        """
        packages: dict[str, HandlerPackages] = {}
        unchecked: dict[str, str] = {}
        for model, bundle in models.stand_ins.items():
            try:
                found = HandlerPackages.install(model, bundle, layers)
            except HandlerNotDeployable as error:
                unchecked[model] = str(error)
                continue
            if found.need_image:
                has = f"its packages have {found.size_mb:.0f} MB, a zip has room for {LEFT_MB}"
                unchecked[model] = f"model {model!r}: {has}"
            else:
                packages[model] = found
        return cls(packages, unchecked)

    def note(self, scope: Construct) -> None:
        """Note at synth which handlers are not checked."""
        for model, why in self.unchecked.items():
            Annotations.of(scope).add_info_v2(
                f"serval:unchecked-handler-{model}",
                f"{why}: no function checks its golden requests before its fleet answers",
            )
