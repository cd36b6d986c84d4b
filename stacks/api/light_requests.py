"""The queue of async requests of models on Lambda, and the function that answers them."""

import json
from collections.abc import Sequence

from aws_cdk import ArnFormat, Duration, Stack
from aws_cdk.aws_lambda_event_sources import SqsEventSource
from constructs import Construct

from serval.models.resource_names import DEAD, light_queue_name, pipelines_machine_name
from serval.requests.settings import AnswerSettings
from serval.settings import pack
from stacks.api.inference import EPHEMERAL_STORAGE_MIB, allow_to_ask
from stacks.fleets.model_queues import RequestQueues
from stacks.fleets.rights import SEND, FleetRights, arn
from stacks.stage.acknowledgements import acknowledge
from stacks.stage.layers import Layers
from stacks.stage.serval_function import ServalFunction
from stacks.stage.stage import Stage
from stacks.storage.storage_stack import StorageStack

TIMEOUT = Duration.minutes(15)
"""The longest that Lambda lets a function run."""
HIDDEN = Duration.minutes(6 * 15)
"""Lambda needs six times the timeout, since it tries again to call a function that is throttled.
The function itself hides what it works on for a minute at a time."""
QUEUED = "its messages come from a queue that has a dead-letter queue"


class LightRequests(Construct):
    """The queue that all models on Lambda share, and the function ``answer``.

    Each message is an event of its own, so that each request has the function's whole time and
    memory, and no other suffers when it has too little of them.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        stage: Stage,
        layers: Layers,
        storage: StorageStack,
        rights: FleetRights,
        memory_mib: int,
        handlers: Sequence[str],
    ) -> None:
        super().__init__(scope, id_)
        name = light_queue_name(stage.name)
        queues = RequestQueues(self, "Queues", name=name, hidden=HIDDEN)
        self.function = ServalFunction(
            self,
            "answer",
            stage=stage,
            function="answer",
            layers=layers.of("core", "sdk", "inference", "tasks"),
            settings=AnswerSettings.environment(
                stage=stage.name,
                registry_table=storage.registry.table.table_name,
                requests_table=storage.requests.table.table_name,
                streams_table=storage.streams.table.table_name,
                data_bucket=storage.data.bucket_name,
                artifact_bucket=storage.artifacts.bucket.bucket_name,
                ephemeral_storage_mib=EPHEMERAL_STORAGE_MIB,
                pipelines_machine=pipelines_machine(self, stage),
                **({"handlers": pack(json.dumps(list(handlers)))} if handlers else {}),
            ),
            memory_mib=memory_mib,
            timeout=TIMEOUT,
            ephemeral_storage_mib=EPHEMERAL_STORAGE_MIB,
            no_dead_letters=QUEUED,
        )
        storage.registry.grant_routes(self.function)
        storage.artifacts.grant_load(self.function)
        storage.requests.grant_work(self.function)
        storage.streams.grant_write(self.function)
        storage.data.grant_requests(self.function)
        rights.grant_call_back(self.function)
        allow_to_ask(self.function, stage, handlers)
        self.function.allow(SEND, [arn(self.function, "sqs", name + DEAD)])
        self.function.allow(["states:StartExecution"], [pipelines_machine(self, stage)])
        acknowledge(self.function, {"Serverless-LambdaEventSourceMappingDestination": QUEUED})
        self.function.function.add_event_source(
            SqsEventSource(
                queues.queue,
                batch_size=1,
                report_batch_item_failures=True,
                # A backlog must not use up the account's concurrency.
                max_concurrency=stage.concurrency.answers,
            )
        )


def pipelines_machine(scope: Construct, stage: Stage) -> str:
    """Return the ARN of the machine of durable pipelines, which is declared after its callers."""
    name = pipelines_machine_name(stage.name)
    return Stack.of(scope).format_arn(
        service="states",
        resource="stateMachine",
        resource_name=name,
        arn_format=ArnFormat.COLON_RESOURCE_NAME,
    )
