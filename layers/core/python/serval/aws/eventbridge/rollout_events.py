"""Events of rollouts, on EventBridge's default bus."""

import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from serval.models.registry import Rollout
from serval.rollouts.events import DETAIL_TYPE, SOURCE, detail

if TYPE_CHECKING:
    from mypy_boto3_events.client import EventBridgeClient

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RolloutEvents:
    """Announces states; one that cannot be sent is logged, and the rollout goes on."""

    client: "EventBridgeClient"

    def announce(self, rollout: Rollout) -> None:
        """Send an event about a rollout's state."""
        text = json.dumps(detail(rollout))
        try:
            answer = self.client.put_events(
                Entries=[{"Source": SOURCE, "DetailType": DETAIL_TYPE, "Detail": text}]
            )
        except (ClientError, BotoCoreError) as error:
            logger.error("event of a rollout not sent: %s: %s", error, text)
            return
        if answer["FailedEntryCount"]:
            logger.error("event of a rollout not taken: %s: %s", answer["Entries"], text)
