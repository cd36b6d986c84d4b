"""The queue of callbacks, and the function that posts them."""

from aws_cdk import Duration
from aws_cdk.aws_lambda_event_sources import SqsEventSource
from aws_cdk.aws_sqs import DeadLetterQueue, Queue, QueueEncryption
from constructs import Construct

from serval.models.resource_names import DEAD, callbacks_queue_name
from serval.requests.callbacks.messages import ATTEMPTS
from serval.requests.settings import CallbackSettings
from stacks.api.light_requests import pipelines_machine
from stacks.stage.acknowledgements import acknowledge
from stacks.stage.dead_letters import RETENTION, dead_letter_queue
from stacks.stage.layers import Layers
from stacks.stage.serval_function import ServalFunction
from stacks.stage.stage import Stage
from stacks.storage.storage_stack import StorageStack

TIMEOUT = Duration.seconds(30)
"""A receiver has ten seconds to answer."""
HIDDEN = Duration.seconds(6 * 30)
GIVEN_UP = "it is the dead-letter queue: the request's row has the reason of the failed callback"
QUEUED = "its messages come from a queue that has a dead-letter queue"


class Callbacks(Construct):
    """The callbacks queue and the function ``callback``, which reads results and secrets."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        stage: Stage,
        layers: Layers,
        storage: StorageStack,
    ) -> None:
        super().__init__(scope, id_)
        name = callbacks_queue_name(stage.name)
        self.queue = Queue(
            self,
            "Queue",
            queue_name=name,
            encryption=QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=RETENTION,
            visibility_timeout=HIDDEN,
            dead_letter_queue=DeadLetterQueue(
                # No alarm: a receiver that is down is its owner's concern.
                queue=dead_letter_queue(self, "DeadLetters", name + DEAD, GIVEN_UP),
                max_receive_count=ATTEMPTS,
            ),
        )
        self.function = ServalFunction(
            self,
            "callback",
            stage=stage,
            function="callback",
            layers=layers.of("core", "sdk", "inference"),
            settings=CallbackSettings.environment(
                stage=stage.name,
                registry_table=storage.registry.table.table_name,
                requests_table=storage.requests.table.table_name,
                data_bucket=storage.data.bucket_name,
                callback_local=int(stage.callback_local),
            ),
            memory_mib=256,
            timeout=TIMEOUT,
            no_dead_letters=QUEUED,
        )
        storage.requests.grant_change(self.function)
        storage.data.grant_results(self.function)
        storage.data.grant_answers(self.function)
        storage.registry.grant_routes(self.function)
        storage.registry.grant_secrets(self.function)
        # A token names its task: without one, no task can be ended.
        self.function.allow(["states:SendTaskSuccess"], [pipelines_machine(self, stage)])
        # Polling takes about 648,000 calls a month (docs/decisions/0030).
        acknowledge(self.function, {"Serverless-LambdaEventSourceMappingDestination": QUEUED})
        self.function.function.add_event_source(
            SqsEventSource(
                self.queue,
                batch_size=1,
                report_batch_item_failures=True,
                # Slow receivers must not use up the account's concurrency.
                max_concurrency=stage.concurrency.callbacks,
            )
        )
