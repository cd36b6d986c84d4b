"""An AWS account, and a CDK app, as a deployment sees them."""

import base64
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from serval_cli.deploy.account import NotAnswered
from serval_cli.deploy.assembly import Assembly

FULL = {
    "ec2": {"All G and VT Spot Instance Requests": 16.0},
    "sagemaker": {"ml.g5.xlarge for endpoint usage": 2.0},
}


@dataclass
class FakeAccount:
    """An account that has all that is needed, unless it is told otherwise."""

    region: str | None = "eu-central-1"
    refusal: str | None = None
    bootstrap: int | None = 21
    invocations: int = 10
    service_quotas: Mapping[str, Mapping[str, float]] = field(default_factory=lambda: FULL)
    stacks: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def number(self) -> str:
        if self.refusal:
            raise NotAnswered(self.refusal)
        return "123456789012"

    def bootstrap_version(self) -> int | None:
        return self.bootstrap

    def concurrency(self) -> int:
        return self.invocations

    def quotas(self, service: str) -> Mapping[str, float]:
        if service not in self.service_quotas:
            raise NotAnswered("the AWS credentials may not do ListServiceQuotas")
        return self.service_quotas[service]

    def outputs(self, stack: str) -> Mapping[str, str] | None:
        return self.stacks.get(stack)


@dataclass
class FakeCdk:
    """Writes down what it is asked; its templates are those given."""

    assembly: Assembly
    asked: list[Mapping[str, str]] = field(default_factory=list)
    deployed: int = 0

    def synthesise(self, settings: Mapping[str, str]) -> Assembly:
        self.asked.append(settings)
        return self.assembly

    def deploy(self) -> None:
        self.deployed += 1


def assembly(fleets: Mapping[str, Any], own: list[str], images: int = 0) -> Assembly:
    """Make the templates of a stage with fleets and models' own functions."""
    said = {"Fleets": json.dumps(fleets), "OwnFunctions": packed(own)}
    outputs = {name: {"Value": value} for name, value in said.items()}
    alarm = {"Type": "AWS::CloudWatch::Alarm", "Properties": {}}
    anything = {"Effect": "Allow", "Action": "cloudwatch:GetMetricData", "Resource": "*"}
    role = {"Type": "AWS::IAM::Role", "Properties": {}}
    policy = {
        "Type": "AWS::IAM::Policy",
        "Properties": {"PolicyDocument": {"Statement": [anything]}},
    }
    resources = {"A": alarm, "B": alarm, "Role": role, "Policy": policy}
    return Assembly({"api": {"Resources": resources, "Outputs": outputs}}, images)


def packed(value: Any) -> str:
    return base64.b64encode(zlib.compress(json.dumps(value).encode())).decode()
