"""A spot fleet: an ECS service of workers on machines that run while there is work."""

from aws_cdk.aws_ecs import (
    AvailabilityZoneRebalancing,
    CapacityProviderStrategy,
    Ec2Service,
    PlacementConstraint,
)
from constructs import Construct

from serval.bundles.runtime_section import Runtime
from serval.fleets.declaration import Fleet
from serval.models.deployed_fleets import DeployedFleet
from serval.models.resource_names import service_name
from stacks.fleets.cluster import FleetCluster
from stacks.fleets.container_server import ContainerServer
from stacks.fleets.inference_server import InferenceServer
from stacks.fleets.machines import FleetMachines
from stacks.fleets.network import FleetNetwork
from stacks.fleets.rights import FleetRights
from stacks.fleets.worker_images import WorkerImages
from stacks.fleets.worker_role import WorkerRole
from stacks.fleets.worker_task import Server, WorkerTask
from stacks.stage.acknowledgements import acknowledge
from stacks.stage.stage import Stage
from stacks.storage.storage_stack import StorageStack

NOTHING_STARTS = "no deploy starts a worker, so none waits for one that fails to come up"


class SpotFleet(Construct):
    """Spot machines, and on-demand ones in reserve; ``tick`` decides how many of which."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        stage: Stage,
        storage: StorageStack,
        rights: FleetRights,
        fleet: Fleet,
        server: Runtime | None,
        network: FleetNetwork,
        images: WorkerImages,
    ) -> None:
        super().__init__(scope, id_)
        cluster = FleetCluster(self, "Cluster", stage=stage, fleet=fleet.name, network=network)
        deployed = rights.fleets.by_name[fleet.name]
        task = WorkerTask(
            self,
            "Worker",
            stage=stage,
            storage=storage,
            fleet=deployed,
            images=images,
            role=WorkerRole(self, "Role", fleet=fleet.name, storage=storage, rights=rights),
            server=None if server is None else self._server(server, deployed),
        )
        spot = FleetMachines(
            self, "Spot", stage=stage, fleet=fleet, capacity="spot", cluster=cluster
        )
        on_demand = FleetMachines(
            self, "OnDemand", stage=stage, fleet=fleet, capacity="on-demand", cluster=cluster
        )
        capacity = cluster.use(
            [machines.provider.capacity_provider_name for machines in (spot, on_demand)]
        )
        self.service = Ec2Service(
            self,
            "Service",
            service_name=service_name(stage.name, fleet.name),
            cluster=cluster.cluster,
            task_definition=task.definition,
            # Without it, a new service would want one machine that nobody asked for, and the deploy
            # would fail if there is none. A deploy that changes the service therefore removes its
            # workers; they return unfinished work as in any deployment, and the next tick asks for
            # workers again on machines that are still there.
            desired_count=0,
            # 0: a draining machine's worker is stopped at once, before another one runs.
            min_healthy_percent=0,
            max_healthy_percent=200,
            capacity_provider_strategies=[
                CapacityProviderStrategy(
                    capacity_provider=spot.provider.capacity_provider_name, weight=1
                )
            ],
            # By default ECS evens out the zones of new services with machines beyond those that
            # `tick` asks for, but spot capacity is where it is.
            availability_zone_rebalancing=AvailabilityZoneRebalancing.DISABLED,
            placement_constraints=[PlacementConstraint.distinct_instances()],
        )
        # ECS refuses a provider for a service unless the service's cluster uses it.
        self.service.node.add_dependency(capacity)
        acknowledge(
            self.service, {"Annotation::@aws-cdk/aws-ecs:shouldUseCircuitBreaker": NOTHING_STARTS}
        )

    def _server(self, runtime: Runtime, fleet: DeployedFleet) -> Server:
        """Declare the container beside the worker."""
        if runtime.kind == "container":
            return ContainerServer(self, "Container", runtime=runtime)
        return InferenceServer(
            self,
            "Server",
            runtime=runtime,
            model=fleet.models[0],
            accelerator=fleet.accelerator,
        )
