"""Durable pipelines: the machine that runs them, and the function that does its steps."""

import json
from collections.abc import Mapping

from aws_cdk import Aws, Duration
from aws_cdk.aws_iam import ServicePrincipal
from aws_cdk.aws_stepfunctions import DefinitionBody
from constructs import Construct

from serval.models.resource_names import callbacks_queue_name, pipelines_machine_name
from serval.requests.settings import ProceedSettings
from stacks.api.inference import EPHEMERAL_STORAGE_MIB
from stacks.fleets.control import FleetControl
from stacks.fleets.rights import FleetRights
from stacks.pipelines.states import definition
from stacks.stage.acknowledgements import acknowledge
from stacks.stage.grants import GrantedRole
from stacks.stage.layers import Layers
from stacks.stage.serval_function import ServalFunction
from stacks.stage.stage import Stage
from stacks.stage.state_machine import KNOW_NO_RESOURCES, actions_of_logs, state_machine
from stacks.storage.storage_stack import StorageStack

TIMEOUT = Duration.minutes(15)
"""The longest that Lambda lets a function run."""
LONGEST = Duration.days(14)
"""Of an execution; a queue keeps a message for as long."""
SEEN = "called by the state machine alone, which sees every failure and ends the request"


class DurablePipelines(Construct):
    """The function ``proceed``, and a machine that calls it and waits for requests to end."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        stage: Stage,
        layers: Layers,
        storage: StorageStack,
        rights: FleetRights,
        control: FleetControl,
        memory_mib: int,
    ) -> None:
        super().__init__(scope, id_)
        self._stage, self._storage = stage, storage
        self.function = self._proceed(layers, control.settings, memory_mib)
        self._allow_to_proceed(rights, control)
        self._machine(rights)

    def _proceed(
        self, layers: Layers, settings: Mapping[str, str], memory_mib: int
    ) -> ServalFunction:
        storage = self._storage
        return ServalFunction(
            self,
            "proceed",
            stage=self._stage,
            function="proceed",
            layers=layers.of("core", "sdk", "inference", "tasks"),
            settings=ProceedSettings.environment(
                requests_table=storage.requests.table.table_name,
                data_bucket=storage.data.bucket_name,
                artifact_bucket=storage.artifacts.bucket.bucket_name,
                ephemeral_storage_mib=EPHEMERAL_STORAGE_MIB,
                answers_table=storage.answers.table.table_name,
                **settings,
            ),
            memory_mib=memory_mib,
            timeout=TIMEOUT,
            ephemeral_storage_mib=EPHEMERAL_STORAGE_MIB,
            no_dead_letters=SEEN,
        )

    def _allow_to_proceed(self, rights: FleetRights, control: FleetControl) -> None:
        function, storage = self.function, self._storage
        storage.registry.grant_routes(function)
        storage.artifacts.grant_load(function)
        storage.requests.grant_work(function)
        storage.requests.grant_create(function)
        storage.data.grant_requests(function)
        storage.data.grant_outputs(function)
        storage.answers.grant_keep(function)
        storage.data.grant_keep(function)
        rights.grant_send(function)
        rights.grant_send_light(function)  # a step may ask a handler, or a durable pipeline
        rights.grant_call_back(function)
        control.allow_to_wake(function)

    def _machine(self, rights: FleetRights) -> None:
        stage = self._stage
        role = GrantedRole(self, "Role", assumed_by=ServicePrincipal("states.amazonaws.com"))
        role.allow(["lambda:InvokeFunction"], [self.function.function.function_arn])
        rights.grant_call_back(role)
        role.allow(actions_of_logs(stage), ["*"])
        acknowledge(role, KNOW_NO_RESOURCES)
        queue = callbacks_queue_name(stage.name)
        states = definition(
            self.function.function.function_arn,
            partition=Aws.PARTITION,
            queue_url=f"https://sqs.{Aws.REGION}.{Aws.URL_SUFFIX}/{Aws.ACCOUNT_ID}/{queue}",
        )
        state_machine(
            self,
            # Not as CDK's JSON, which drops the nulls that discard results.
            DefinitionBody.from_string(json.dumps(states)),
            stage=stage,
            log="pipelines",
            role=role.role.without_policy_updates(),
            permitted=role,
            # Known beforehand, so that ``answer`` may start it, and ``callback`` end its tasks.
            name=pipelines_machine_name(stage.name),
            timeout=LONGEST,
        )
