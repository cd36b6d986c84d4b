"""What the machines of spot fleets may do: be part of their fleet's cluster."""

from aws_cdk.aws_iam import ServicePrincipal
from constructs import Construct

from stacks.fleets.rights import arn
from stacks.stage.acknowledgements import acknowledge
from stacks.stage.grants import GrantedRole

OF_CLUSTER = (
    "ecs:DeregisterContainerInstance",
    "ecs:RegisterContainerInstance",
    "ecs:SubmitAttachmentStateChanges",
    "ecs:SubmitContainerStateChange",
    "ecs:SubmitTaskStateChange",
)
OF_INSTANCE = (
    "ecs:Poll",
    "ecs:StartTelemetrySession",
    # With it the agent sets its machine to draining when EC2 reclaims it.
    "ecs:UpdateContainerInstancesState",
)
OWN_INSTANCES = "the machines of the fleet's cluster: ECS names them when they come"
FINDS_ECS = "finding ECS's own endpoint knows no resources"


class MachineRole(GrantedRole):
    """The ECS agent's; images and logs are the task's execution role's, the rest its worker's."""

    def __init__(self, scope: Construct, id_: str, *, cluster: str) -> None:
        super().__init__(scope, id_, assumed_by=ServicePrincipal("ec2.amazonaws.com"))
        self.allow(OF_CLUSTER, [arn(self, "ecs", f"cluster/{cluster}")])
        self.allow(OF_INSTANCE, [arn(self, "ecs", f"container-instance/{cluster}/*")])
        self.allow(["ecs:DiscoverPollEndpoint"], ["*"])
        wildcard = (
            "arn:<AWS::Partition>:ecs:<AWS::Region>:<AWS::AccountId>"
            f":container-instance/{cluster}/*"
        )
        acknowledge(
            self,
            {
                f"AwsSolutions-IAM5[Resource::{wildcard}]": OWN_INSTANCES,
                "AwsSolutions-IAM5[Resource::*]": FINDS_ECS,
            },
        )
