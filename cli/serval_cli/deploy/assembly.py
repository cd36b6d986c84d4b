"""A synthesised stage on disk: its templates, and the images it needs."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from serval.models.deployed_fleets import Fleets
from serval.settings import unpack

TEMPLATE = ".template.json"
INFORMATION, OURS = "aws:cdk:info", " [ack: serval:"
Resource = Mapping[str, Any]
POLICIES = ("AWS::IAM::Policy", "AWS::IAM::Role")


@dataclass(frozen=True)
class Assembly:
    """The templates of a stage, by the part that each stack is."""

    templates: Mapping[str, Mapping[str, Any]]
    images: int
    """Number of images that Docker builds."""
    notes: tuple[str, ...] = ()
    """What the app has to say of what it made."""

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read the output of ``cdk synth``."""
        return cls(
            {
                path.name.removesuffix(TEMPLATE): json.loads(path.read_text())
                for path in sorted(folder.glob(f"*{TEMPLATE}"))
            },
            sum(
                len(json.loads(path.read_text()).get("dockerImages", {}))
                for path in folder.glob("*.assets.json")
            ),
            tuple(read_notes(folder)),
        )

    def resources(self) -> Iterator[Resource]:
        """Yield every resource of every stack."""
        for template in self.templates.values():
            yield from template["Resources"].values()

    @cached_property
    def kinds(self) -> Mapping[str, int]:
        """Resource type → number of resources."""
        return Counter(resource["Type"] for resource in self.resources())

    @cached_property
    def fleets(self) -> Fleets:
        """The deployed fleets and their models."""
        return Fleets.from_text(self.templates["api"]["Outputs"]["Fleets"]["Value"])

    @cached_property
    def own_functions(self) -> list[str]:
        """The models with functions of their own."""
        packed = self.templates["api"]["Outputs"]["OwnFunctions"]["Value"]
        return sorted(json.loads(unpack(packed)))

    def unbounded_actions(self) -> list[str]:
        """List the actions that roles may take on any resource of the account."""
        return sorted(
            {
                action
                for resource in self.resources()
                if resource["Type"] in POLICIES
                for statement in statements(resource["Properties"])
                if statement["Effect"] == "Allow" and "*" in as_list(statement.get("Resource", []))
                for action in as_list(statement["Action"])
            }
        )


def read_notes(folder: Path) -> Iterator[str]:
    """Yield what our constructs were annotated with as information."""
    for path in sorted(folder.glob("*.metadata.json")):
        for entries in json.loads(path.read_text()).values():
            for entry in entries:
                text, ours, _ = str(entry["data"]).partition(OURS)
                if entry["type"] == INFORMATION and ours:
                    yield text


def statements(properties: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the statements of a policy, or of the policies within a role."""
    for one in (properties, *properties.get("Policies", [])):
        yield from one.get("PolicyDocument", {}).get("Statement", [])


def as_list(value: Any) -> list[Any]:
    """Return a list, wrapping the single value that IAM allows in its place."""
    return value if isinstance(value, list) else [value]
