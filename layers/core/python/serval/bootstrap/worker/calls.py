"""How a worker and its shard process call AWS."""

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from serval.aws.sqs.queue_batches import QueueRefused

CALLS = Config(
    connect_timeout=5,
    # A queue is asked to wait 20 seconds for a message.
    read_timeout=40,
    max_pool_connections=64,
    retries={"mode": "standard", "total_max_attempts": 4},
)
UNANSWERED = (BotoCoreError, ClientError, QueueRefused)
BEATS_A_LEASE = 3
