"""What the steps of a rollout and its state machine may do: all of it."""

import pytest

from tests.stacks.rights import OF_EVERY_FUNCTION, rights
from tests.stacks.synthesis import Synthesised
from tests.stacks.test_batch_permissions import RIGHTS as BATCH
from tests.stacks.test_heavy_permissions import RIGHTS as HEAVY


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
    | {"dynamodb:UpdateItem": {"CLAIM#*"}, "dynamodb:Query": {"MODELS"}},
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


@pytest.mark.parametrize("name", RIGHTS)
def test_a_step_has_the_rights_that_it_needs_and_no_others(prod: Synthesised, name: str) -> None:
    assert rights(prod, prod.statements(name)) == OF_EVERY_FUNCTION | RIGHTS[name]


def test_every_step_is_named_here(prod: Synthesised) -> None:
    answering = {"describe", "infer", "infer-heavier", "stream"}
    assert RIGHTS.keys() == prod.functions.keys() - answering - HEAVY.keys() - BATCH.keys()


def test_the_machine_calls_these_functions_and_notes_steps_in_rollouts(prod: Synthesised) -> None:
    machine = prod.machine("Rollouts")["Properties"]
    granted = rights(prod, prod.statements_of(machine["RoleArn"]))
    assert granted.pop("lambda:InvokeFunction") == RIGHTS.keys()
    assert granted.pop("dynamodb:UpdateItem") == {"MODEL#*"}
    assert {action.split(":")[0] for action in granted} == {"logs"}


def test_the_rule_may_start_this_machine_alone(prod: Synthesised) -> None:
    (target,) = prod.upload_rule("Rollouts")["Targets"]
    (statement,) = prod.statements_of(target["RoleArn"])
    assert statement["Action"] == "states:StartExecution"
    assert statement["Resource"] == target["Arn"]


def test_nobody_else_calls_a_step(prod: Synthesised) -> None:
    allowed = {
        prod.function_name(permission["FunctionName"])
        for permission in prod.properties("AWS::Lambda::Permission")
    }
    assert not allowed & RIGHTS.keys()
