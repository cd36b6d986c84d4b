"""Accept Application Auto Scaling's resource types, which the emulator lacks.

They have no effect here: the endpoints themselves start a server at the first invocation and stop
it when it is idle.
"""

from typing import Any

from serval_cli.local.launcher.emulator import Emulator

NAMES = (
    "provisioners/_RESOURCE_HANDLERS",
    "provisioners/get_account_id",
    "provisioners/get_region",
)
TARGET = "AWS::ApplicationAutoScaling::ScalableTarget"
POLICY = "AWS::ApplicationAutoScaling::ScalingPolicy"


def apply(emulator: Emulator) -> None:
    """Let templates declare the two types."""
    provisioners = emulator.provisioners

    def target(logical_id: str, properties: dict[str, Any], stack: str) -> Any:
        names = ("ResourceId", "ScalableDimension", "ServiceNamespace")
        found = "|".join(str(properties[name]) for name in names)
        return found, {"Id": found}

    def policy(logical_id: str, properties: dict[str, Any], stack: str) -> Any:
        region, account = provisioners.get_region(), provisioners.get_account_id()
        arn = (
            f"arn:aws:autoscaling:{region}:{account}:scalingPolicy:"
            f"{stack}:resource/sagemaker/{logical_id}:policyName/{properties['PolicyName']}"
        )
        return arn, {"Arn": arn}

    def delete(physical_id: str, properties: dict[str, Any]) -> None:
        """Do nothing: nothing refers to the resource."""

    for type_, create in ((TARGET, target), (POLICY, policy)):
        provisioners._RESOURCE_HANDLERS[type_] = {"create": create, "delete": delete}
