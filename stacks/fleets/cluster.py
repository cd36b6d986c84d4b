"""The cluster of a spot fleet, and which machines it may use."""

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
    """A cluster of the fleet's own, which costs nothing and lets the fleet be removed.

    ECS takes no capacity provider from a cluster while a service uses it, and CloudFormation
    changes what stays before it deletes what goes: of a cluster that fleets share, the association
    would have to change first, and every deploy without the fleet would fail.
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
        """Let the service have machines of these capacity providers, and of no others."""
        return CfnClusterCapacityProviderAssociations(
            self,
            "Capacity",
            cluster=self.name,
            capacity_providers=list(providers),
            default_capacity_provider_strategy=[],
        )
