"""The cluster of spot fleets, and which machines it may use."""

from collections.abc import Sequence

from aws_cdk.aws_ecs import CfnClusterCapacityProviderAssociations, Cluster, ContainerInsights
from constructs import Construct

from serval.fleets.names import cluster_name
from stacks.acknowledgements import acknowledge
from stacks.fleet_network import FleetNetwork
from stacks.machine_role import MachineRole
from stacks.stage import Stage

NO_INSIGHTS = "Container Insights bills custom metrics by the hour; the tick publishes ours"


class FleetCluster(Construct):
    """One cluster for all of a stage's spot fleets; each has machines of its own in it."""

    def __init__(self, scope: Construct, id_: str, *, stage: Stage) -> None:
        super().__init__(scope, id_)
        self.network = FleetNetwork(self, "Network", stage=stage)
        name = cluster_name(stage.name)
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
        """Let services have machines of these capacity providers, and of no others."""
        return CfnClusterCapacityProviderAssociations(
            self,
            "Capacity",
            cluster=self.name,
            capacity_providers=list(providers),
            default_capacity_provider_strategy=[],
        )
