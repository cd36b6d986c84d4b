"""Dead-letter queues, where messages wait for a person."""

from aws_cdk import Duration
from aws_cdk.aws_sqs import Queue, QueueEncryption
from constructs import Construct

from stacks.stage.acknowledgements import acknowledge

RETENTION = Duration.days(14)
"""The longest that SQS keeps a message."""


def dead_letter_queue(scope: Construct, id_: str, name: str | None, reason: str) -> Queue:
    """Declare a queue that nothing reads automatically."""
    queue = Queue(
        scope,
        id_,
        queue_name=name,
        encryption=QueueEncryption.SQS_MANAGED,
        enforce_ssl=True,
        retention_period=RETENTION,
    )
    acknowledge(queue, {"AwsSolutions-SQS3": reason, "Serverless-SQSRedrivePolicy": reason})
    return queue
