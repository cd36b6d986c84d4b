"""The fleets that a stage has, as its functions and workers are told at deploy."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from serval.errors import ModelNotFound
from serval.settings import pack, unpack

Kind = Literal["spot", "sagemaker"]
Accelerator = Literal["none", "nvidia", "neuron"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployedFleet:
    """One fleet: what it is, and which models it answers for."""

    name: str
    kind: Kind = "spot"
    accelerator: Accelerator = "none"
    minimum: int = 0
    """Machines that are there even while nobody calls; each is billed by the hour."""
    maximum: int = 1
    target_age_seconds: int = 60
    """How old the oldest open request may get."""
    idle_seconds: int = 300
    """How long nothing is asked of a fleet before its last machine goes."""
    trusted: bool = False
    """Whether bundles for its inference servers may carry code."""
    models: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fleets:
    """Every fleet of a stage by name; the value of a function's variable ``FLEETS``."""

    by_name: Mapping[str, DeployedFleet]

    def of_model(self, model: str) -> DeployedFleet:
        """Give the fleet of a model.

        Raises
        ------
        ModelNotFound
            If no fleet answers for the model.
        """
        for fleet in self.by_name.values():
            if model in fleet.models:
                return fleet
        raise ModelNotFound(model)

    @property
    def models(self) -> Mapping[str, str]:
        """Give the fleet's name for each model."""
        return {model: fleet.name for fleet in self.by_name.values() for model in fleet.models}

    def to_text(self) -> str:
        """Write the packed text that ``from_text`` reads; defaults are left out."""
        plain = DeployedFleet(name="")
        document = {
            name: {
                key: value
                for key, value in asdict(fleet).items()
                if key != "name" and value != getattr(plain, key)
            }
            for name, fleet in self.by_name.items()
        }
        return pack(json.dumps(document, separators=(",", ":")))

    @classmethod
    def from_text(cls, text: str) -> "Fleets":
        """Read what ``to_text`` wrote, or the JSON inside it."""
        document: dict[str, dict[str, Any]] = json.loads(unpack(text))
        return cls(
            {
                name: DeployedFleet(
                    name=name, **{**members, "models": tuple(members.get("models", ()))}
                )
                for name, members in document.items()
            }
        )
