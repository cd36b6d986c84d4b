"""What the functions of tests need: a role, which allows what they do, and an SDK."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tests.local.conftest import LocalStage

LOGS = ("logs:CreateLogStream", "logs:PutLogEvents")


def statement(actions: Sequence[str], **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": "*", **more}


@contextmanager
def role(stage: LocalStage, name: str, *statements: dict[str, Any]) -> Iterator[str]:
    """Make a role for a while; gives its ARN."""
    iam = stage.client("iam")
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda"}}
    made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(trust))
    iam.put_role_policy(RoleName=name, PolicyName="all", PolicyDocument=document(*statements))
    yield str(made["Role"]["Arn"])
    iam.delete_role_policy(RoleName=name, PolicyName="all")
    iam.delete_role(RoleName=name)


def sdk_layer(stage: LocalStage) -> str:
    """Give the layer in which the stage's functions find their SDK."""
    configuration = stage.client("lambda").get_function_configuration(
        FunctionName=stage.functions()["describe"]
    )
    (found,) = [layer["Arn"] for layer in configuration["Layers"] if "sdk" in layer["Arn"].lower()]
    return str(found)


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
