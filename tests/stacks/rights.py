"""What a role may do, in words: action → what it is granted on."""

from collections.abc import Mapping
from typing import Any

from tests.stacks.synthesis import Synthesised, as_list

OF_EVERY_FUNCTION = {
    "logs:CreateLogStream": {"its log"},
    "logs:PutLogEvents": {"its log"},
}
Rights = Mapping[str, set[str]]


def rights(stage: Synthesised, statements: list[Mapping[str, Any]]) -> dict[str, set[str]]:
    """Describe by action what it is granted on."""
    granted: dict[str, set[str]] = {}
    for statement in statements:
        assert statement["Effect"] == "Allow"
        for action in as_list(statement["Action"]):
            for resource in as_list(statement["Resource"]):
                on = in_words(stage, resource, statement.get("Condition", {}))
                granted.setdefault(action, set()).update(on)
    return granted


def union(*all_rights: Rights) -> dict[str, set[str]]:
    """Put rights together."""
    together: dict[str, set[str]] = {}
    for some in all_rights:
        for action, resources in some.items():
            together[action] = together.get(action, set()) | resources
    return together


def in_words(stage: Synthesised, resource: Any, condition: Mapping[str, Any]) -> set[str]:
    match resource:
        case "*":
            return {"*"}
        case {"Fn::GetAtt": [logical_id, "Arn"]} | {"Ref": logical_id}:
            return {of_stack(stage, logical_id)}
        case {"Fn::ImportValue": exported}:
            return of_store(exported, condition)
        case {"Fn::Join": ["", [*_, str(end)]]} if end.endswith(":event-bus/default"):
            return {f"the bus, as {' '.join(condition['StringEquals'].values())}"}
        case {"Fn::Join": ["", [{"Fn::ImportValue": exported}, str(keys)]]}:
            return {f"{store(exported)}{keys}".removeprefix("the bucket/")}
        case {"Fn::Join": ["", [*_, str(end) | {"Fn::Sub": str(end)}]]}:
            return {end.removeprefix(":").removeprefix("function:serval-prod-")}
    raise AssertionError(f"{resource} has no words")


def of_store(exported: str, condition: Mapping[str, Any]) -> set[str]:
    """Name a bucket or a table, or what of it alone is granted."""
    if "Registry" in exported:
        return in_partitions(condition)
    if "ForAllValues:StringLike" in condition:
        return {f"{store(exported)}/{ids}" for ids in in_partitions(condition)}
    return {store(exported)}


def of_stack(stage: Synthesised, logical_id: str) -> str:
    names = {logical_id: name for name, logical_id in stage.functions.items()}
    for template in stage.templates.values():
        found = template["Resources"].get(logical_id, {}).get("Properties", {})
        if "QueueName" in found:
            return str(found["QueueName"])
        if "StateMachineName" in found:
            return str(found["StateMachineName"])
    return names.get(logical_id, "its log")


def in_partitions(condition: Mapping[str, Any]) -> set[str]:
    """Name partitions of a table, with the attributes that alone may be written."""
    if "ForAllValues:StringLike" not in condition:
        return {"the registry"}
    assert condition["Null"] == {"dynamodb:LeadingKeys": "false"}
    partitions = condition["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
    attributes = condition.get("ForAllValues:StringEquals", {}).get("dynamodb:Attributes", [])
    only = ", ".join(name for name in attributes if name not in {"pk", "sk"})
    return {f"{partition} ({only})" if only else partition for partition in partitions}


def store(exported: str) -> str:
    """Name a bucket, a table or a topic by its export."""
    for part, name in {
        "Artifacts": "the bucket",
        "Data": "data",
        "Requests": "requests",
        "Streams": "streams",
        "Jobs": "jobs",
        "Answers": "answers",
    }.items():
        if part in exported:
            return name
    raise AssertionError(f"{exported} has no words")
