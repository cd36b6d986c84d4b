"""The queues of requests, each with a dead-letter queue, and those of fleets' shards."""

from aws_cdk import Duration
from aws_cdk.aws_sqs import DeadLetterQueue, Queue, QueueEncryption
from constructs import Construct

from serval.models.resource_names import DEAD, candidate_queue_name, shards_queue_name
from stacks.stage.acknowledgements import acknowledge
from stacks.stage.alarms import raise_alarm
from stacks.stage.dead_letters import RETENTION, dead_letter_queue
from stacks.stage.stage import Stage

LONG_POLL = Duration.seconds(20)
LEASE = Duration.seconds(60)
RECEIPTS = 50
"""A last safety net: a worker itself dead-letters a request that has used up its attempts.

Reclaimed machines return messages without charging an attempt, so there may be many receipts.
"""
WAITED_FOR = "the state machine waits for each shard, and workers end those that always fail"
LAST_STOP = "it is the dead-letter queue: requests wait here for a person and `serval redrive`"


class RequestQueues(Construct):
    """A queue and its dead-letter queue, with the names by which workers find them."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        name: str,
        hidden: Duration = LEASE,
        failed: str | None = None,
    ) -> None:
        super().__init__(scope, id_)
        self.dead_letters = dead_letter_queue(self, "DeadLetters", name + DEAD, LAST_STOP)
        self.queue = declare_queue(self, "Queue", name, self.dead_letters, hidden)
        if failed is None:
            return
        raise_alarm(
            self,
            "Alarm",
            self.dead_letters.metric_approximate_number_of_messages_visible(
                period=Duration.minutes(5), statistic="Maximum"
            ),
            failed,
        )


def candidate_queue(scope: Construct, stage: Stage, model: str, own: RequestQueues) -> Queue:
    """Declare the queue of a model's candidate, where it answers on machines of its own."""
    name = candidate_queue_name(stage.name, model)
    return declare_queue(scope, f"{model}-candidate", name, own.dead_letters)


def shards_queue(scope: Construct, stage: Stage, fleet: str) -> Queue:
    """Declare the queue for a fleet's shards of batch jobs."""
    queue = declare_queue(scope, f"{fleet}-shards", shards_queue_name(stage.name, fleet))
    acknowledge(queue, {"AwsSolutions-SQS3": WAITED_FOR, "Serverless-SQSRedrivePolicy": WAITED_FOR})
    return queue


def declare_queue(
    scope: Construct,
    id_: str,
    name: str,
    dead_letters: Queue | None = None,
    hidden: Duration = LEASE,
) -> Queue:
    """Declare a queue that workers poll, whose messages are hidden for so long."""
    rescue = None
    if dead_letters is not None:
        rescue = DeadLetterQueue(queue=dead_letters, max_receive_count=RECEIPTS)
    return Queue(
        scope,
        id_,
        queue_name=name,
        encryption=QueueEncryption.SQS_MANAGED,
        enforce_ssl=True,
        retention_period=RETENTION,
        receive_message_wait_time=LONG_POLL,
        visibility_timeout=hidden,
        dead_letter_queue=rescue,
    )
