"""Events of batch jobs, on EventBridge's default bus."""

import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from serval.batch.job.events import DETAIL_TYPE, SOURCE, detail
from serval.batch.job.job import BatchJob

if TYPE_CHECKING:
    from mypy_boto3_events.client import EventBridgeClient

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BatchEvents:
    """Announces states; one that cannot be sent is logged, and the job goes on."""

    client: "EventBridgeClient"

    def announce(self, job: BatchJob) -> None:
        """Send an event about a job's state."""
        text = json.dumps(detail(job))
        try:
            answer = self.client.put_events(
                Entries=[{"Source": SOURCE, "DetailType": DETAIL_TYPE, "Detail": text}]
            )
        except (ClientError, BotoCoreError) as error:
            logger.error("event of a batch job not sent: %s: %s", error, text)
            return
        if answer["FailedEntryCount"]:
            logger.error("event of a batch job not taken: %s: %s", answer["Entries"], text)
