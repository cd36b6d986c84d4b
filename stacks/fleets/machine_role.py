"""The role of spot fleets' machines, which lets them join their fleet's cluster."""

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
    # With this the agent sets its machine to draining when EC2 reclaims it.
    "ecs:UpdateContainerInstancesState",
)
OWN_INSTANCES = "the machines of the fleet's cluster, which ECS names as they join"
FINDS_ECS = "finding ECS's own endpoint supports no resources"


class MachineRole(GrantedRole):
    """The ECS agent's role; images and logs are the execution role's, the rest the worker's."""

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
