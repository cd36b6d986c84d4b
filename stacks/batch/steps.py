"""The functions of a batch job's steps, with the narrowest permissions."""

import json
from collections.abc import Mapping, Sequence

from aws_cdk import Duration
from constructs import Construct

from serval.batch.job.settings import (
    AcceptSettings,
    AssembleSettings,
    CutSettings,
    FinishSettings,
    PlanSettings,
    ScanSettings,
    ShardSettings,
)
from serval.batch.shard.detections import DETAIL_TYPE
from serval.settings import Settings, pack
from stacks.api.inference import EPHEMERAL_STORAGE_MIB, allow_to_ask
from stacks.fleets.rights import FleetRights
from stacks.stage.grants import allow_to_announce
from stacks.stage.layers import Layers
from stacks.stage.serval_function import ServalFunction
from stacks.stage.stage import Stage
from stacks.storage.storage_stack import StorageStack

READING = ("core", "sdk", "inference", "batch")
"""Layers of functions that open inputs or parts; ``inference`` has NumPy."""
STREAMING_MIB = 1769
"""The least memory that comes with a whole vCPU."""
LONGEST = Duration.minutes(15)
SEEN = "called by the state machine alone, which sees every failure and ends the job"


class BatchSteps(Construct):
    """One function for each step."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        stage: Stage,
        layers: Layers,
        storage: StorageStack,
        shard_memory_mib: int,
        rights: FleetRights,
        machine_prices: str,
        handlers: Sequence[str],
    ) -> None:
        super().__init__(scope, id_)
        self._stage, self._layers, self._storage = stage, layers, storage
        self._jobs = storage.jobs.table.table_name
        self._registry = storage.registry.table.table_name
        self.steps: Mapping[str, ServalFunction] = {
            "accept": self._accept(),
            "plan": self._plan(shard_memory_mib, rights, machine_prices),
            "scan": self._scan(),
            "cut": self._cut(rights),
            "shard": self._shard(shard_memory_mib, handlers, rights),
            "assemble": self._assemble(),
            "finish": self._finish(),
        }

    def _accept(self) -> ServalFunction:
        function = self._function(
            "accept",
            AcceptSettings,
            memory_mib=1024,
            timeout=Duration.minutes(5),
            stage=self._stage.name,
            registry_table=self._registry,
            jobs_table=self._jobs,
            data_bucket=self._storage.data.bucket_name,
        )
        self._storage.jobs.grant_create(function)
        self._storage.jobs.grant_change(function)
        self._storage.registry.grant_routes(function)
        self._storage.data.grant_batch_inputs(function)
        self._storage.data.grant_batch_writes(function)
        # Parts that an earlier job left under the prefix are deleted.
        self._storage.data.grant_batch_deletes(function)
        return allow_to_announce(function)

    def _plan(
        self, shard_memory_mib: int, rights: FleetRights, machine_prices: str
    ) -> ServalFunction:
        function = self._function(
            "plan",
            PlanSettings,
            stage=self._stage.name,
            registry_table=self._registry,
            jobs_table=self._jobs,
            shard_memory_mib=shard_memory_mib,
            shards_at_once=self._stage.concurrency.shards,
            fleets=rights.fleets.to_text(),
            machine_prices=machine_prices,
        )
        self._allow_to_take_on(function, rights)
        self._storage.jobs.grant_change(function)
        self._storage.jobs.grant_list_shards(function)
        self._storage.jobs.grant_list_jobs(function)
        self._storage.registry.grant_routes(function)
        self._storage.data.grant_batch_inputs(function)
        self._storage.data.grant_batch_writes(function)
        return allow_to_announce(function)

    def _allow_to_take_on(self, function: ServalFunction, rights: FleetRights) -> None:
        """Let a function record waiting shards in fleets' rows, and switch on the ticks."""
        rights.grant_rows(function)
        rights.grant_ticks(function, "events:EnableRule")

    def _scan(self) -> ServalFunction:
        function = self._function("scan", ScanSettings, jobs_table=self._jobs)
        self._storage.jobs.grant_read(function)
        self._storage.data.grant_batch_inputs(function)
        self._storage.data.grant_batch_writes(function)
        return function

    def _cut(self, rights: FleetRights) -> ServalFunction:
        function = self._function(
            "cut",
            CutSettings,
            stage=self._stage.name,
            registry_table=self._registry,
            jobs_table=self._jobs,
            shards_at_once=self._stage.concurrency.shards,
            fleets=rights.fleets.to_text(),
        )
        self._allow_to_take_on(function, rights)
        self._storage.jobs.grant_change(function)
        self._storage.jobs.grant_list_shards(function)
        self._storage.data.grant_batch_inputs(function)
        self._storage.data.grant_batch_writes(function)
        return allow_to_announce(function)

    def _shard(
        self, memory_mib: int, handlers: Sequence[str], rights: FleetRights
    ) -> ServalFunction:
        """Declare the function that runs graphs, and calls the functions of handlers."""
        function = self._function(
            "shard",
            ShardSettings,
            layers=(*READING, "tasks"),
            memory_mib=memory_mib,
            storage_mib=EPHEMERAL_STORAGE_MIB,
            reserved_concurrency=self._stage.concurrency.reserved_shards,
            registry_table=self._registry,
            jobs_table=self._jobs,
            artifact_bucket=self._storage.artifacts.bucket.bucket_name,
            ephemeral_storage_mib=EPHEMERAL_STORAGE_MIB,
            stage=self._stage.name,
            handlers=pack(json.dumps(list(handlers))),
            requests_table=self._storage.requests.table.table_name,
            data_bucket=self._storage.data.bucket_name,
        )
        allow_to_ask(function, self._stage, handlers)
        self._allow_to_request(function, rights)
        self._storage.jobs.grant_work(function)
        self._storage.registry.grant_routes(function)
        self._storage.artifacts.grant_load(function)
        self._storage.data.grant_batch_inputs(function)
        self._storage.data.grant_large_batch_writes(function)
        self._storage.data.grant_batch_deletes(function)
        return allow_to_announce(function, DETAIL_TYPE)

    def _allow_to_request(self, function: ServalFunction, rights: FleetRights) -> None:
        """Let a function make async requests of durable pipelines, and read and cancel them."""
        self._storage.requests.grant_work(function)
        self._storage.requests.grant_create(function)
        self._storage.data.grant_requests_of_rows(function)
        rights.grant_send_light(function)
        rights.grant_call_back(function)

    def _assemble(self) -> ServalFunction:
        function = self._function("assemble", AssembleSettings, jobs_table=self._jobs)
        self._storage.jobs.grant_change(function)
        self._storage.jobs.grant_list_shards(function)
        self._storage.data.grant_batch_inputs(function)
        self._storage.data.grant_large_batch_writes(function)
        self._storage.data.grant_batch_deletes(function)
        return allow_to_announce(function)

    def _finish(self) -> ServalFunction:
        function = self._function(
            "finish",
            FinishSettings,
            layers=("core", "sdk", "control"),
            memory_mib=512,
            timeout=Duration.minutes(5),
            jobs_table=self._jobs,
        )
        self._storage.jobs.grant_change(function)
        self._storage.jobs.grant_list_shards(function)
        self._storage.data.grant_batch_writes(function)
        return allow_to_announce(function)

    def _function(
        self,
        name: str,
        settings: type[Settings],
        *,
        layers: Sequence[str] = READING,
        memory_mib: int = STREAMING_MIB,
        timeout: Duration = LONGEST,
        storage_mib: int = 512,
        reserved_concurrency: int | None = None,
        **values: object,
    ) -> ServalFunction:
        return ServalFunction(
            self,
            name,
            stage=self._stage,
            function=name,
            layers=self._layers.of(*layers),
            settings=settings.environment(**values),
            memory_mib=memory_mib,
            timeout=timeout,
            ephemeral_storage_mib=storage_mib,
            reserved_concurrency=reserved_concurrency,
            no_dead_letters=SEEN,
        )
