"""The permissions of a spot fleet's worker.

They cover only its fleet's models: artifacts, routes and batch files by keys that name the model,
and rows and bodies of requests and jobs by ids that carry the model's tag.
"""

from aws_cdk.aws_iam import ServicePrincipal
from constructs import Construct

from serval.batch.shard.detections import DETAIL_TYPE
from serval.models.resource_names import cluster_name
from stacks.batch.machine import acknowledge_wildcard, machine_name
from stacks.fleets.rights import FleetRights, arn
from stacks.stage.acknowledgements import acknowledge
from stacks.stage.grants import GrantedRole, allow_to_announce
from stacks.storage.storage_stack import StorageStack

OWN_MAPS = "the machine's own maps, by their labels"
OWN_TASKS = "the tasks of the fleet's cluster: a task's own id is known only while it runs"


class WorkerRole(GrantedRole):
    """Access to its fleet's queues, rows and models, to requests and results, and its own task."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        fleet: str,
        storage: StorageStack,
        rights: FleetRights,
    ) -> None:
        super().__init__(scope, id_, assumed_by=ServicePrincipal("ecs-tasks.amazonaws.com"))
        rights.grant_take(self, fleet)
        rights.grant_call_back(self)
        models = rights.fleets.by_name[fleet].models
        storage.registry.grant_work(self, fleet, models)
        storage.requests.grant_work_of(self, models)
        storage.streams.grant_write_of(self, models)
        storage.data.grant_work(self, models)
        rights.grant_take_shards(self, fleet)
        storage.jobs.grant_work_of(self, models)
        self._allow_answers(rights.stage.name)
        allow_to_announce(self, DETAIL_TYPE)
        for model in models:
            storage.artifacts.grant_load(self, model)
        rights.grant_secrets(self, fleet)
        tasks = arn(self, "ecs", f"task/{cluster_name(rights.stage.name, fleet)}/*")
        self.allow(["ecs:UpdateTaskProtection"], [tasks])
        wildcard = (
            "arn:<AWS::Partition>:ecs:<AWS::Region>:<AWS::AccountId>"
            f":task/{cluster_name(rights.stage.name, fleet)}/*"
        )
        acknowledge(self, {f"AwsSolutions-IAM5[Resource::{wildcard}]": OWN_TASKS})

    def _allow_answers(self, stage: str) -> None:
        """Let the worker report the outcome of shards to the state machine."""
        machine = f"stateMachine:{machine_name(stage)}"
        answers = ("SendTaskFailure", "SendTaskHeartbeat", "SendTaskSuccess")
        # A token names its task: without one, no task can be answered.
        self.allow(
            [f"states:{answer}" for answer in answers],
            [arn(self, "states", machine), arn(self, "states", f"{machine}/*")],
        )
        acknowledge_wildcard(self, f"{machine}/*", OWN_MAPS)
