"""What the worker of a spot fleet may do.

Only what is of its fleet's models: artifacts, routes and files of batch jobs, whose keys name them;
and rows and bodies of requests, and rows of jobs, whose ids have the tags of their models.
"""

from aws_cdk.aws_iam import ServicePrincipal
from constructs import Construct

from serval.models.resource_names import cluster_name
from stacks.batch.machine import explain, machine_name
from stacks.fleets.rights import FleetRights, arn
from stacks.stage.acknowledgements import acknowledge
from stacks.stage.grants import GrantedRole
from stacks.storage.storage_stack import StorageStack

OWN_MAPS = "the machine's own maps, by the label that each of them has"
OWN_TASKS = "the tasks of the fleet's cluster: a task's own id is known only while it runs"


class WorkerRole(GrantedRole):
    """Its fleet's queues, rows and models; requests and results; and what protects its own task."""

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
        storage.data.grant_work(self, models)
        rights.grant_take_shards(self, fleet)
        storage.jobs.grant_work_of(self, models)
        self._allow_answers(rights.stage.name)
        for model in models:
            storage.artifacts.grant_load(self, model)
        tasks = arn(self, "ecs", f"task/{cluster_name(rights.stage.name, fleet)}/*")
        self.allow(["ecs:UpdateTaskProtection"], [tasks])
        wildcard = (
            "arn:<AWS::Partition>:ecs:<AWS::Region>:<AWS::AccountId>"
            f":task/{cluster_name(rights.stage.name, fleet)}/*"
        )
        acknowledge(self, {f"AwsSolutions-IAM5[Resource::{wildcard}]": OWN_TASKS})

    def _allow_answers(self, stage: str) -> None:
        """Let it say what became of shards to the machine that waits for them."""
        machine = f"stateMachine:{machine_name(stage)}"
        answers = ("SendTaskFailure", "SendTaskHeartbeat", "SendTaskSuccess")
        # A token names its task: whoever has none can answer none.
        self.allow(
            [f"states:{answer}" for answer in answers],
            [arn(self, "states", machine), arn(self, "states", f"{machine}/*")],
        )
        explain(self, f"{machine}/*", OWN_MAPS)
