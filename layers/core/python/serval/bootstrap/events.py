"""Events that the steps of batch jobs and rollouts send."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from serval.aws.eventbridge.state_events import StateEvents
from serval.batch.job import events as batch
from serval.batch.job.job import BatchJob
from serval.bootstrap.log import print_line
from serval.models.registry import Rollout
from serval.models.state_events import SOURCE
from serval.rollouts import events as rollouts

if TYPE_CHECKING:
    from mypy_boto3_events.client import EventBridgeClient

Log = Callable[[str], object]


def batch_events(client: "EventBridgeClient", log: Log = print_line) -> StateEvents[BatchJob]:
    """Build what announces the states of batch jobs."""
    return StateEvents(client, SOURCE, batch.DETAIL_TYPE, batch.event_detail, log)


def rollout_events(client: "EventBridgeClient", log: Log = print_line) -> StateEvents[Rollout]:
    """Build what announces the states of rollouts."""
    return StateEvents(client, SOURCE, rollouts.DETAIL_TYPE, rollouts.detail, log)
