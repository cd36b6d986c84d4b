"""AWS's limits on what a stage is made of; each breach is a sentence."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from layers.dependencies.declarations import LAMBDA_LIMIT_MB, LAYERS
from tests.stacks.definitions import definitions, resolve_value
from tests.stacks.synthesis import Synthesised

NAMES = {
    ("AWS::Lambda::Function", "FunctionName"): 64,
    ("AWS::IAM::Role", "RoleName"): 64,
    ("AWS::SQS::Queue", "QueueName"): 80,
    ("AWS::StepFunctions::StateMachine", "StateMachineName"): 80,
    ("AWS::Events::Rule", "Name"): 64,
    ("AWS::Scheduler::Schedule", "Name"): 64,
    ("AWS::Scheduler::ScheduleGroup", "Name"): 64,
    ("AWS::SageMaker::Endpoint", "EndpointName"): 63,
    ("AWS::SNS::Topic", "TopicName"): 256,
    ("AWS::ECS::Cluster", "ClusterName"): 255,
    ("AWS::ECS::Service", "ServiceName"): 255,
    ("AWS::ECS::CapacityProvider", "Name"): 255,
    ("AWS::Lambda::LayerVersion", "LayerName"): 140,
    ("AWS::Logs::LogGroup", "LogGroupName"): 512,
}
IN_ALL = {
    "resources": 500,
    "bytes of template": 1_000_000,
    "outputs": 200,
    "AWS::ApiGatewayV2::Route": 300,
    "AWS::ApiGatewayV2::Integration": 300,
}
OUTPUT_BYTES = 4096
ROLE_BYTES, POLICY_BYTES, POLICIES = 10_240, 6_144, 10
ENVIRONMENT_BYTES, CONTAINER_VALUE = 4096, 1024
DEFINITION_BYTES = 1_048_576
BUCKET = re.compile("FnGetAtt(Artifacts|Data)[0-9A-F]{8}Arn")
LONGEST_BUCKET = "b" * 63


def breaches(stage: Synthesised) -> list[str]:
    """Return every limit that a stage exceeds."""
    found = [*counts(stage), *roles(stage), *environments(stage), *layers(stage), *names(stage)]
    return [f"{what}: {size} > {limit}" for what, size, limit in found if size > limit]


Measured = Iterator[tuple[str, int, int]]


def counts(stage: Synthesised) -> Measured:
    """Yield what a stack, an output and a definition hold."""
    for stack, template in stage.templates.items():
        kinds = Counter(resource["Type"] for resource in template["Resources"].values())
        size = {
            "resources": kinds.total(),
            "bytes of template": (stage.folder / f"{stack}.template.json").stat().st_size,
            "outputs": len(template.get("Outputs", {})),
        } | kinds
        for what, limit in IN_ALL.items():
            yield f"{stack}: {what}", size.get(what, 0), limit
        for name, output in template.get("Outputs", {}).items():
            yield f"{stack}: output {name}", len(resolve_value(output["Value"])), OUTPUT_BYTES
    for name, definition in definitions(stage).items():
        yield f"definition of {name}", len(json.dumps(definition)), DEFINITION_BYTES


def roles(stage: Synthesised) -> Measured:
    """Yield the sizes of each role's own policies together, and of each managed one."""
    for stack, template in stage.templates.items():
        own: Counter[str] = Counter()
        managed: Counter[str] = Counter()
        for name, resource in template["Resources"].items():
            properties = resource.get("Properties", {})
            holders = [str(role["Ref"]) for role in properties.get("Roles", ()) if "Ref" in role]
            if resource["Type"] == "AWS::IAM::Policy":
                own.update(dict.fromkeys(holders, policy_size(properties["PolicyDocument"])))
            elif resource["Type"] == "AWS::IAM::ManagedPolicy":
                yield f"{stack}: {name}", policy_size(properties["PolicyDocument"]), POLICY_BYTES
                managed.update(holders)
        yield from (
            (f"{stack}: policies of {role}", size, ROLE_BYTES) for role, size in own.items()
        )
        yield from ((f"{stack}: managed of {role}", n, POLICIES) for role, n in managed.items())


def environments(stage: Synthesised) -> Measured:
    """Yield the sizes of functions' environments, and of each variable of endpoints'."""
    for stack, template in stage.templates.items():
        for name, resource in template["Resources"].items():
            properties = resource.get("Properties", {})
            if resource["Type"] == "AWS::Lambda::Function":
                variables = properties.get("Environment", {}).get("Variables", {})
                size = sum(len(key) + len(resolve_value(value)) for key, value in variables.items())
                yield f"{stack}: environment of {name}", size, ENVIRONMENT_BYTES
            elif resource["Type"] == "AWS::SageMaker::Model":
                for key, value in properties["PrimaryContainer"]["Environment"].items():
                    yield f"{stack}: {key} of {name}", len(resolve_value(value)), CONTAINER_VALUE


def layers(stage: Synthesised) -> Measured:
    """Yield the megabytes that the layers of each function may hold together."""
    most = {layer.name: layer.limit_mb for layer in LAYERS}
    for template in stage.templates.values():
        for name, resource in template["Resources"].items():
            if resource["Type"] == "AWS::Lambda::Function":
                used = [
                    template["Resources"][layer["Ref"]]["Properties"]["LayerName"].split("-")[-1]
                    for layer in resource["Properties"]["Layers"]
                ]
                yield f"MB of layers of {name}", sum(most[each] for each in used), LAMBDA_LIMIT_MB


def names(stage: Synthesised) -> Measured:
    """Yield the lengths of names that are ours."""
    for (kind, key), limit in NAMES.items():
        for properties in stage.properties(kind):
            name = resolve_value(properties.get(key, ""))
            yield f"{kind} {name}", len(name), limit


def policy_size(document: Mapping[str, Any]) -> int:
    """Return the bytes of a policy in an account, which counts no space between words."""
    return len(json.dumps(leaves(document), separators=(",", ":")))


def leaves(value: Any) -> Any:
    match value:
        case list():
            return [leaves(one) for one in value]
        case {"Fn::Join": [separator, parts]}:
            return str(separator).join(map(leaves, parts))
        case {"Fn::ImportValue": str(name)} if BUCKET.search(name):
            return f"arn:aws:s3:::{LONGEST_BUCKET}"
        case {"Ref": _} | {"Fn::GetAtt": _} | {"Fn::Sub": _} | {"Fn::ImportValue": _}:
            return resolve_value(value)
        case Mapping():
            return {key: leaves(one) for key, one in value.items()}
    return value
