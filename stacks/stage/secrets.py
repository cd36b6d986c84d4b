"""The permission to read a model's secrets."""

from aws_cdk import Stack

from serval.models.resource_names import secrets_path
from stacks.stage.acknowledgements import acknowledge
from stacks.stage.grants import Granted
from stacks.stage.stage import Stage

OWN = "every secret of the model: secrets are set, and versions name others, without a deploy"


def grant_secrets(granted: Granted, stage: Stage, model: str) -> None:
    """Grant reading the secrets of one model by their names."""
    # The key that encrypts them decrypts for whoever may read the parameter.
    keys = f"{secrets_path(stage.name, model)[1:]}*"
    arn = Stack.of(granted).format_arn(service="ssm", resource="parameter", resource_name=keys)
    granted.allow(["ssm:GetParameters"], [arn])
    wildcard = f"arn:<AWS::Partition>:ssm:<AWS::Region>:<AWS::AccountId>:parameter/{keys}"
    acknowledge(granted, {f"AwsSolutions-IAM5[Resource::{wildcard}]": OWN})
