"""The cluster of a spot fleet, and the machines it may use."""

from collections.abc import Sequence

from aws_cdk.aws_ecs import CfnClusterCapacityProviderAssociations, Cluster, ContainerInsights
from constructs import Construct

from serval.models.resource_names import cluster_name
from stacks.fleets.machine_role import MachineRole
from stacks.fleets.network import FleetNetwork
from stacks.stage.acknowledgements import acknowledge
from stacks.stage.stage import Stage

NO_INSIGHTS = "Container Insights bills custom metrics by the hour; the tick publishes ours"


class FleetCluster(Construct):
    """A free cluster for each fleet, which makes the fleet removable.

    ECS does not detach a capacity provider from a cluster while a service uses it, and
    CloudFormation updates resources before it deletes others. In a shared cluster, removing a fleet
    would update the association first, and every such deploy would fail.
    """

    def __init__(
        self, scope: Construct, id_: str, *, stage: Stage, fleet: str, network: FleetNetwork
    ) -> None:
        super().__init__(scope, id_)
        self.network = network
        name = cluster_name(stage.name, fleet)
        cluster = Cluster(
            self,
            "Cluster",
            cluster_name=name,
            vpc=self.network.vpc,
            container_insights_v2=ContainerInsights.DISABLED,
        )
        acknowledge(cluster, {"AwsSolutions-ECS4": NO_INSIGHTS})
        self.name = cluster.cluster_name
        self.machine_role = MachineRole(self, "MachineRole", cluster=name)
        self.cluster = Cluster.from_cluster_attributes(
            self,
            "WithMachines",
            cluster_name=self.name,
            cluster_arn=cluster.cluster_arn,
            vpc=self.network.vpc,
            has_ec2_capacity=True,
        )

    def use(self, providers: Sequence[str]) -> CfnClusterCapacityProviderAssociations:
        """Let the fleet's service use these capacity providers, and no others."""
        return CfnClusterCapacityProviderAssociations(
            self,
            "Capacity",
            cluster=self.name,
            capacity_providers=list(providers),
            default_capacity_provider_strategy=[],
        )
