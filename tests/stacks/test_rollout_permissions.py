"""What the steps of a rollout and its state machine may do: all of it."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.stacks.synthesis import Synthesised, listed

OF_EVERY_FUNCTION = {
    "logs:CreateLogStream": {"its log"},
    "logs:PutLogEvents": {"its log"},
    "xray:PutTelemetryRecords": {"*"},
    "xray:PutTraceSegments": {"*"},
}


def reading(*keys: str) -> dict[str, set[str]]:
    return {"s3:GetObject": set(keys), "s3:GetObjectVersion": set(keys)}


def writing(keys: str) -> dict[str, set[str]]:
    return {"s3:PutObject": {keys}, "s3:AbortMultipartUpload": {keys}}


RECORDING = {
    "dynamodb:GetItem": {"MODEL#*"},
    "dynamodb:PutItem": {"MODEL#*"},
    "events:PutEvents": {"the bus, as serval"},
}
FINDING = {"s3:ListBucket": {"the bucket"}}
"""A missing object is 404 and not 403."""
RIGHTS = {
    "claim": reading("incoming/*", "models/*")
    | FINDING
    | RECORDING
    | {"dynamodb:UpdateItem": {"CLAIM#*"}},
    "verify": {},
    "optimise": reading("incoming/*", "models/*") | writing("staging/*"),
    "golden": reading("incoming/*", "staging/*", "models/*"),
    "golden-heavier": reading("incoming/heavier/*", "staging/heavier/*", "models/heavier/*"),
    "register": reading("incoming/*", "staging/*", "models/*")
    | writing("models/*")
    | FINDING
    | RECORDING
    | {"dynamodb:PutItem": {"MODEL#*", "MODELS"}, "dynamodb:UpdateItem": {"MODEL#*"}},
    "evaluate": RECORDING
    | {"cloudwatch:DescribeAlarms": {"*"}, "cloudwatch:GetMetricStatistics": {"*"}},
    "conclude": RECORDING,
}


def rights(stage: Synthesised, statements: list[Mapping[str, Any]]) -> dict[str, set[str]]:
    """Give by each action what it is granted on, in words."""
    granted: dict[str, set[str]] = {}
    for statement in statements:
        assert statement["Effect"] == "Allow"
        for action in listed(statement["Action"]):
            for resource in listed(statement["Resource"]):
                on = in_words(stage, resource, statement.get("Condition", {}))
                granted.setdefault(action, set()).update(on)
    return granted


def in_words(stage: Synthesised, resource: Any, condition: Mapping[str, Any]) -> set[str]:
    match resource:
        case "*":
            return {"*"}
        case {"Fn::GetAtt": [logical_id, "Arn"]}:
            names = {logical_id: name for name, logical_id in stage.functions.items()}
            return {names.get(logical_id, "its log")}
        case {"Fn::ImportValue": exported} if "Registry" in exported:
            assert condition["Null"] == {"dynamodb:LeadingKeys": "false"}
            return set(condition["ForAllValues:StringLike"]["dynamodb:LeadingKeys"])
        case {"Fn::ImportValue": exported} if "Artifacts" in exported:
            return {"the bucket"}
        case {"Fn::Join": ["", [*_, str(end)]]} if end.endswith(":event-bus/default"):
            return {f"the bus, as {condition['StringEquals']['events:source']}"}
        case {"Fn::Join": ["", [{"Fn::ImportValue": exported}, str(keys)]]}:
            assert "Artifacts" in exported
            return {keys.removeprefix("/")}
    raise AssertionError(f"{resource} has no words")


@pytest.mark.parametrize("name", RIGHTS)
def test_a_step_has_the_rights_that_it_needs_and_no_others(prod: Synthesised, name: str) -> None:
    assert rights(prod, prod.statements(name)) == OF_EVERY_FUNCTION | RIGHTS[name]


def test_every_step_is_named_here(prod: Synthesised) -> None:
    answering = {"describe", "infer", "infer-heavier"}
    assert RIGHTS.keys() == prod.functions.keys() - answering


def test_the_machine_calls_these_functions_and_notes_steps_in_rollouts(prod: Synthesised) -> None:
    (machine,) = prod.properties("AWS::StepFunctions::StateMachine")
    granted = rights(prod, prod.statements_of(machine["RoleArn"]))
    assert granted.pop("lambda:InvokeFunction") == RIGHTS.keys()
    assert granted.pop("dynamodb:UpdateItem") == {"MODEL#*"}
    assert {action.split(":")[0] for action in granted} == {"logs", "xray"}


def test_the_rule_may_start_this_machine_alone(prod: Synthesised) -> None:
    (rule,) = prod.properties("AWS::Events::Rule")
    (target,) = rule["Targets"]
    (statement,) = prod.statements_of(target["RoleArn"])
    assert statement["Action"] == "states:StartExecution"
    assert statement["Resource"] == target["Arn"]


def test_nobody_else_calls_a_step(prod: Synthesised) -> None:
    allowed = {
        permission["FunctionName"]["Fn::GetAtt"][0]
        for permission in prod.properties("AWS::Lambda::Permission")
    }
    assert not allowed & {prod.functions[name] for name in RIGHTS}
