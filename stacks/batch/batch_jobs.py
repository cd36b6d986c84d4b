"""Batch jobs: the machine that runs them, and the uploads, calls and schedules that start them."""

from collections.abc import Sequence

from aws_cdk import Duration
from aws_cdk.aws_events import EventPattern, Rule
from aws_cdk.aws_events_targets import SfnStateMachine
from aws_cdk.aws_sqs import IQueue
from constructs import Construct

from serval.batch.job.settings import BatchSettings
from stacks.api.http_api import ServalHttpApi
from stacks.batch.machine import BatchMachine, acknowledge_wildcard
from stacks.batch.schedules import BatchSchedules
from stacks.batch.steps import READING, BatchSteps
from stacks.fleets.rights import FleetRights, arn
from stacks.stage.deployed_models import DeployedModels
from stacks.stage.grants import allow_to_announce
from stacks.stage.layers import Layers
from stacks.stage.serval_function import ServalFunction
from stacks.stage.stage import Stage
from stacks.storage.storage_stack import StorageStack

INPUTS = "batch/*/in/*"
ROUTES = (
    "POST /batch/models/{model}/jobs",
    "GET /batch/jobs",
    "GET /batch/jobs/{id}",
    "DELETE /batch/jobs/{id}",
    "POST /batch/jobs/{id}/retry",
)
OWN_EXECUTIONS = "each job has an execution of its own"


class BatchJobs(Construct):
    """The machine, its steps, and everything that starts it."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        stage: Stage,
        layers: Layers,
        storage: StorageStack,
        api: ServalHttpApi,
        models: DeployedModels,
        dead_letters: IQueue,
        shard_memory_mib: int,
    ) -> None:
        super().__init__(scope, id_)
        self._stage, self._layers, self._storage = stage, layers, storage
        rights = FleetRights(stage, models.fleets, storage.registry)
        steps = BatchSteps(
            self,
            "Steps",
            stage=stage,
            layers=layers,
            storage=storage,
            shard_memory_mib=shard_memory_mib,
            rights=rights,
            machine_prices=models.machine_prices_json(),
            handlers=list(models.handlers),
        )
        self._batch = BatchMachine(
            self,
            "Batch",
            stage=stage,
            steps={name: step.function for name, step in steps.steps.items()},
            storage=storage,
            rights=rights,
        )
        self.machine = self._batch.machine
        self._start_on_uploads(storage.data.bucket_name, dead_letters)
        self.schedules = BatchSchedules(
            self, "Schedules", stage=stage, machine=self.machine, scheduled=models.scheduled
        )
        endpoint = self._endpoint(models, shard_memory_mib)
        api.route(endpoint, *ROUTES)
        self.functions: Sequence[ServalFunction] = [*steps.steps.values(), endpoint]

    def _start_on_uploads(self, bucket: str, dead_letters: IQueue) -> None:
        Rule(
            self,
            "Upload",
            description="Input of a batch job was uploaded to the data bucket",
            event_pattern=EventPattern(
                source=["aws.s3"],
                detail_type=["Object Created"],
                detail={
                    "bucket": {"name": [bucket]},
                    "object": {"key": [{"wildcard": INPUTS}]},
                },
            ),
            targets=[
                SfnStateMachine(
                    self.machine,
                    dead_letter_queue=dead_letters,
                    max_event_age=Duration.hours(6),
                    retry_attempts=185,
                )
            ],
        )

    def _endpoint(self, models: DeployedModels, shard_memory_mib: int) -> ServalFunction:
        """Declare the API's function, which reads inputs for dry runs as ``plan`` does."""
        storage = self._storage
        function = ServalFunction(
            self,
            "batch",
            stage=self._stage,
            function="batch",
            layers=self._layers.of(*READING),
            settings=BatchSettings.environment(
                registry_table=storage.registry.table.table_name,
                jobs_table=storage.jobs.table.table_name,
                data_bucket=storage.data.bucket_name,
                batch_machine=self.machine.state_machine_arn,
                shard_memory_mib=shard_memory_mib,
                shards_at_once=self._stage.concurrency.shards,
                batch_jobs_per_minute=self._stage.batch_jobs_per_minute,
                batch_open_jobs=self._stage.batch_open_jobs,
                batch_least_shard_bytes=self._stage.batch_least_shard_bytes,
                batch_prefixes=self._stage.batch_prefixes,
                authentication=self._stage.authorization.authentication,
                fleets=models.fleets.to_text(),
                machine_prices=models.machine_prices_json(),
            ),
            memory_mib=1024,
            timeout=Duration.seconds(29),
        )
        storage.registry.grant_admit(function)
        storage.registry.grant_count(function)
        storage.registry.grant_routes(function)
        storage.registry.grant_list_models(function)
        storage.jobs.grant_create(function)
        storage.jobs.grant_change(function)
        storage.jobs.grant_list_shards(function)
        storage.jobs.grant_list_jobs(function)
        storage.data.grant_batch_inputs(function)
        storage.data.grant_batch_writes(function)
        function.allow(["states:StartExecution"], [self.machine.state_machine_arn])
        executions = self._batch.executions
        function.allow(["states:StopExecution"], [arn(function, "states", executions)])
        acknowledge_wildcard(function, executions, OWN_EXECUTIONS)
        return allow_to_announce(function)
