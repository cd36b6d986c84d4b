"""The task of a spot fleet: the worker, and an inference server beside it if there is one."""

from aws_cdk import Aws, Duration
from aws_cdk.aws_ecs import (
    AwsLogDriverMode,
    Capability,
    ContainerDefinition,
    ContainerDependency,
    ContainerDependencyCondition,
    ContainerImage,
    Device,
    DevicePermission,
    DockerVolumeConfiguration,
    Ec2TaskDefinition,
    LinuxParameters,
    LogDriver,
    LogDrivers,
    MountPoint,
    NetworkMode,
    Scope,
)
from aws_cdk.aws_iam import ServicePrincipal
from aws_cdk.aws_logs import LogGroup
from constructs import Construct

from serval.models.deployed_fleets import DeployedFleet, Fleets
from serval.worker.program.settings import WorkerSettings
from stacks.fleets.container_server import ContainerServer
from stacks.fleets.inference_server import MODELS, InferenceServer
from stacks.fleets.worker_images import WorkerImages
from stacks.fleets.worker_role import WorkerRole
from stacks.stage.acknowledgements import acknowledge
from stacks.stage.grants import GrantedRole
from stacks.stage.serval_function import LOG_RETENTION
from stacks.stage.stage import Stage
from stacks.storage.storage_stack import StorageStack

Server = InferenceServer | ContainerServer
STOP_TIMEOUT = Duration.seconds(120)
"""The most that ECS allows, and the time that EC2 leaves a spot machine after its notice."""
RESERVED_MIB = 1024
"""Must fit the smallest machine; a worker uses all the memory of its machine."""
NEURON_DEVICE = "/dev/neuron0"
NO_SECRETS = "variables name tables, buckets and queues; none holds a secret"
PULLS = "ECR's token supports no resources; pulling is granted on the worker's repository alone"


class WorkerTask(Construct):
    """Uses the machine's own network, which gives it an address and access to the server."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        stage: Stage,
        storage: StorageStack,
        fleet: DeployedFleet,
        images: WorkerImages,
        role: WorkerRole,
        server: Server | None,
    ) -> None:
        super().__init__(scope, id_)
        self._stage, self._storage, self._fleet = stage, storage, fleet
        self._log = LogGroup(
            self, "Log", retention=LOG_RETENTION, removal_policy=stage.removal_policy
        )
        self._execution = GrantedRole(
            self, "Execution", assumed_by=ServicePrincipal("ecs-tasks.amazonaws.com")
        )
        self.definition = Ec2TaskDefinition(
            self,
            "Task",
            network_mode=NetworkMode.HOST,
            task_role=role.role,
            execution_role=self._execution.role,
        )
        acknowledge(self.definition, {"AwsSolutions-ECS2": NO_SECRETS})
        acknowledge(self._execution, {"AwsSolutions-IAM5[Resource::*]": PULLS})
        worker = self._worker(images, server)
        if server is not None:
            self._serve(worker, server)

    def _worker(self, images: WorkerImages, server: Server | None) -> ContainerDefinition:
        """Add the worker, without the accelerator if a server uses it."""
        return self.definition.add_container(
            "worker",
            image=ContainerImage.from_docker_image_asset(images[self._fleet.accelerator]),
            command=["work"],
            environment=self._settings(server),
            memory_reservation_mib=RESERVED_MIB,
            gpu_count=None if server is not None else self._gpus,
            linux_parameters=None if server is not None else self._devices("WorkerDevices"),
            logging=self._logging("worker"),
            stop_timeout=STOP_TIMEOUT,
        )

    def _serve(self, worker: ContainerDefinition, server: Server) -> None:
        """Add the server as essential: without it a worker could only fail its requests."""
        container = self.definition.add_container(
            "server",
            image=ContainerImage.from_registry(server.image),
            entry_point=server.entry_point,
            command=server.command,
            environment=server.environment or None,
            memory_reservation_mib=RESERVED_MIB,
            gpu_count=self._gpus,
            linux_parameters=self._server_parameters(),
            logging=self._logging("server"),
            stop_timeout=STOP_TIMEOUT,
        )
        server.grant_pull(self._execution)
        # It is stopped after the worker, which finishes its running work.
        worker.add_container_dependencies(
            ContainerDependency(container=container, condition=ContainerDependencyCondition.START)
        )
        if server.takes_versions:
            self._share_folder(worker, container)

    def _share_folder(self, worker: ContainerDefinition, server: ContainerDefinition) -> None:
        """Add the volume in which the worker hands versions to the server."""
        self.definition.add_volume(
            name="models",
            docker_volume_configuration=DockerVolumeConfiguration(scope=Scope.TASK, driver="local"),
        )
        for mounting, read_only in ((worker, False), (server, True)):
            mounting.add_mount_points(
                MountPoint(source_volume="models", container_path=MODELS, read_only=read_only)
            )

    def _settings(self, server: Server | None) -> dict[str, str]:
        """Return the worker's settings, which other fleets do not affect."""
        return WorkerSettings.environment(
            aws_region=Aws.REGION,
            stage=self._stage.name,
            fleet=self._fleet.name,
            fleets=Fleets({self._fleet.name: self._fleet}).to_text(),
            registry_table=self._storage.registry.table.table_name,
            requests_table=self._storage.requests.table.table_name,
            streams_table=self._storage.streams.table.table_name,
            jobs_table=self._storage.jobs.table.table_name,
            artifact_bucket=self._storage.artifacts.bucket.bucket_name,
            data_bucket=self._storage.data.bucket_name,
            watch_spot=1,
            **({"server_folder": MODELS} if server and server.takes_versions else {}),
        )

    @property
    def _gpus(self) -> int | None:
        return 1 if self._fleet.accelerator == "nvidia" else None

    def _server_parameters(self) -> LinuxParameters:
        """Keep the server from reading the worker's traffic on their shared network."""
        parameters = self._devices("ServerDevices") or LinuxParameters(self, "ServerDevices")
        parameters.drop_capabilities(Capability.NET_RAW)
        return parameters

    def _devices(self, id_: str) -> LinuxParameters | None:
        if self._fleet.accelerator != "neuron":
            return None
        parameters = LinuxParameters(self, id_)
        parameters.add_devices(
            Device(
                host_path=NEURON_DEVICE,
                container_path=NEURON_DEVICE,
                permissions=[DevicePermission.READ, DevicePermission.WRITE],
            )
        )
        parameters.add_capabilities(Capability.IPC_LOCK)
        return parameters

    def _logging(self, name: str) -> LogDriver:
        return LogDrivers.aws_logs(
            stream_prefix=name, log_group=self._log, mode=AwsLogDriverMode.NON_BLOCKING
        )
