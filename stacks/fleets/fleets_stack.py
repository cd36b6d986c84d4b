"""The stack of the fleets: queues, spot machines in a network of their own, SageMaker endpoints."""

import json

from aws_cdk import CfnOutput, Stack
from constructs import Construct

from serval.models.resource_names import queue_name
from stacks.fleets.model_queues import RequestQueues, candidate_queue, shards_queue
from stacks.fleets.network import FleetNetwork
from stacks.fleets.rights import FleetRights
from stacks.fleets.sagemaker.fleet import SageMakerFleet
from stacks.fleets.spot_fleet import SpotFleet
from stacks.fleets.worker_images import WorkerImages
from stacks.fleets.worker_role import WorkerRole
from stacks.stage.deployed_models import DeployedModels
from stacks.stage.stage import Stage
from stacks.storage.storage_stack import StorageStack


class FleetsStack(Stack):
    """The resources that run heavy models; the API's stack refers to them by name."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        stage: Stage,
        storage: StorageStack,
        models: DeployedModels,
    ) -> None:
        super().__init__(
            scope,
            id_,
            stack_name=f"serval-{stage.name}-fleets",
            description="Serval: the machines of the fleets",
        )
        self._stage, self._storage, self._models = stage, storage, models
        self._rights = FleetRights(
            stage, models.fleets, storage.registry, frozenset(models.fleet_handlers)
        )
        self._images = WorkerImages(self, "Images")
        self._queues()
        if stage.fleet_machines:
            self._spot_fleets()
        else:
            self._roles()
        for name in self._rights.of_kind("sagemaker"):
            self._endpoint(name)

    def _queues(self) -> None:
        queues = Construct(self, "Queues")
        for model in self._models.fleets.models:
            own = RequestQueues(
                queues,
                model,
                name=queue_name(self._stage.name, model),
                failed=f"Requests of model {model} have failed for good: "
                f"`serval redrive {model} --inspect`",
            )
            if model in self._models.fleets.of_model(model).paired:
                candidate_queue(queues, self._stage, model, own)
        for fleet in self._rights.of_kind("spot"):
            shards_queue(queues, self._stage, fleet)

    def _roles(self) -> None:
        """Declare the workers' roles for a laptop, whose processes act by them."""
        roles = {
            name: WorkerRole(
                self, f"{name}Worker", fleet=name, storage=self._storage, rights=self._rights
            )
            for name in self._rights.of_kind("spot")
        }
        names = {name: role.role.role_name for name, role in roles.items()}
        CfnOutput(self, "WorkerRoles", value=self.to_json_string(names))
        servers = {
            name: {"command": runtime.local_command, "port": runtime.port}
            for name, runtime in self._models.servers.items()
            if runtime.local_command is not None
        }
        CfnOutput(self, "LocalServers", value=json.dumps(servers))

    def _spot_fleets(self) -> None:
        names = self._rights.of_kind("spot")
        if not names:
            return
        network = FleetNetwork(self, "Network", stage=self._stage)
        for name in names:
            SpotFleet(
                self,
                name,
                stage=self._stage,
                storage=self._storage,
                rights=self._rights,
                fleet=self._models.declared[name],
                server=self._models.servers.get(name),
                network=network,
                images=self._images,
            )

    def _endpoint(self, name: str) -> None:
        fleet = self._models.declared[name]
        managed = SageMakerFleet(
            self,
            name,
            stage=self._stage,
            storage=self._storage,
            fleet=fleet,
            deployed=self._models.fleets.by_name[name],
            image=self._images[fleet.accelerator] if self._stage.fleet_machines else None,
        )
        self._rights.grant_secrets(managed.role, name)
