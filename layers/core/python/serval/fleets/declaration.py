"""``fleets.yaml``: the fleets of a stage; its JSON Schema is published as docs/fleets.schema.json.

``python -m serval.fleets.declaration`` prints the schema.
"""

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from serval.yaml_files import Matching, Section, read_section

FLEETS_YAML = "fleets.yaml"
FLEET_NAME = re.compile(r"[a-z](-?[a-z0-9]){0,23}")
SAGEMAKER_PREFIX = "ml."

FleetName = Annotated[
    str, Matching(FLEET_NAME, "1 to 24 lower-case letters, digits and single '-', a letter first")
]
InstanceType = Annotated[
    str, Matching(re.compile(r"(ml\.)?[a-z0-9-]+\.[a-z0-9-]+"), "an instance type, as 'g6.xlarge'")
]


class Fleet(Section):
    """A named pool of machines for heavy models."""

    name: FleetName
    """What ``compute.fleet`` of a bundle names."""
    kind: Literal["spot", "sagemaker"] = "spot"
    """``spot``: EC2 spot machines of this account; ``sagemaker``: an async endpoint."""
    accelerator: Literal["none", "nvidia", "neuron"] = "none"
    """What the machines have beside their processor; one for each worker."""
    instance_types: Annotated[tuple[InstanceType, ...], Field(min_length=1, max_length=20)]
    """In order of preference; a SageMaker fleet takes the first one."""
    minimum: Annotated[int, Field(ge=0, le=100)] = 0
    """Machines that stay while nobody calls: each is billed by the hour."""
    maximum: Annotated[int, Field(ge=1, le=500)] = 1
    """Machines at the most."""
    target_age_seconds: Annotated[int, Field(ge=5, le=86400)] = 60
    """How old the oldest open request may get before there are more machines."""
    idle_seconds: Annotated[int, Field(ge=60, le=86400)] = 300
    """How long nothing is asked before the last machine goes."""
    disk_gib: Annotated[int, Field(ge=100, le=16384)] = 100
    """Spot only: the disk of each machine, for images and versions. Above 100 it also writes
    1,000 MiB a second, so that a large version is there soon."""
    trusted: bool = False
    """Whether bundles for inference servers on it may carry code: Python, pickles, libraries. It
    runs beside the worker, on its machine; without it such bundles are refused."""

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if self.minimum > self.maximum:
            raise ValueError(f"'minimum: {self.minimum}' is above 'maximum: {self.maximum}'")
        if self.kind == "sagemaker" and "disk_gib" in self.model_fields_set:
            raise ValueError("'disk_gib' is for spot machines; an endpoint's are SageMaker's")
        for name in self.instance_types:
            if name.startswith(SAGEMAKER_PREFIX) != (self.kind == "sagemaker"):
                raise ValueError(
                    f"instance type {name!r}: SageMaker's names, and only they, begin with 'ml.'; "
                    f"this fleet is of kind {self.kind!r}"
                )
        return self


class FleetsFile(Section):
    """The fleets of a stage."""

    fleets: Annotated[tuple[Fleet, ...], Field(max_length=20)] = ()
    """Each one exists from the next deploy on, if a model in models/ names it."""

    @model_validator(mode="after")
    def _name_them_apart(self) -> Self:
        names = [fleet.name for fleet in self.fleets]
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"fleets: the name {repeated[0]!r} is there more than once")
        return self


def json_schema() -> dict[str, Any]:
    """Build the JSON Schema of ``fleets.yaml``."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **FleetsFile.model_json_schema(),
        "title": "fleets.yaml of a Serval stage",
    }


def read_fleets(text: bytes | str) -> Mapping[str, Fleet]:
    """Parse and validate ``fleets.yaml``; return the fleets by name.

    Raises
    ------
    BundleRefused
        With every mistake found: the key, its value and what was expected.
    """
    return {fleet.name: fleet for fleet in read_section(text, FLEETS_YAML, FleetsFile).fleets}


if __name__ == "__main__":
    print(json.dumps(json_schema(), indent=2))
