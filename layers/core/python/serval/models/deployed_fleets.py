"""The fleets of a stage, which functions and workers read from their environment."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from serval.errors import ModelNotFound
from serval.settings import pack, unpack

LAMBDA = "lambda"
"""Stands for a fleet in the rows of models that have none: a function answers their requests."""
Kind = Literal["spot", "sagemaker"]
Accelerator = Literal["none", "nvidia", "neuron"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployedFleet:
    """One fleet: its kind, its size and its models."""

    name: str
    kind: Kind = "spot"
    accelerator: Accelerator = "none"
    minimum: int = 0
    """Machines that run even while nobody calls; each is billed by the hour."""
    maximum: int = 1
    target_age_seconds: int = 60
    """How old the oldest open request may get."""
    idle_seconds: int = 300
    """How long a fleet without requests keeps its last machine."""
    trusted: bool = False
    """Whether bundles for its inference servers may carry code."""
    disk_gib: int = 100
    """The disk of each machine of a spot fleet."""
    image: str = ""
    """The image of the container beside its workers; empty: it has none of a bundle's."""
    models: tuple[str, ...] = ()
    paired: tuple[str, ...] = ()
    """Those of its models whose candidates have a queue of their own: a version fills a machine,
    and there may be two."""


@dataclass(frozen=True, slots=True)
class Fleets:
    """Every fleet of a stage by name, as in the variable ``FLEETS``."""

    by_name: Mapping[str, DeployedFleet]

    def of_model(self, model: str) -> DeployedFleet:
        """Return the fleet of a model.

        Raises
        ------
        ModelNotFound
            If no fleet runs the model.
        """
        for fleet in self.by_name.values():
            if model in fleet.models:
                return fleet
        raise ModelNotFound(model)

    @property
    def models(self) -> Mapping[str, str]:
        """The name of the fleet of each model."""
        return {model: fleet.name for fleet in self.by_name.values() for model in fleet.models}

    @property
    def paired(self) -> frozenset[str]:
        """The models whose stable version and candidate may have a machine each."""
        return frozenset(model for fleet in self.by_name.values() for model in fleet.paired)

    def to_text(self) -> str:
        """Write the fleets as packed JSON, without defaults."""
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
        """Read what ``to_text`` wrote, or plain JSON."""
        document: dict[str, dict[str, Any]] = json.loads(unpack(text))
        return cls(
            {
                name: DeployedFleet(
                    name=name,
                    **members | {key: tuple(members.get(key, ())) for key in ("models", "paired")},
                )
                for name, members in document.items()
            }
        )
