"""Builds what submits async requests, for ``submit`` and ``wait``."""

from serval.aws.signed.edge import EdgeRegistry
from serval.aws.sqs.queues import ModelQueues
from serval.bootstrap.fleets.control import fleet_control
from serval.bootstrap.requests.adapters import Adapters
from serval.models.deployed_fleets import Fleets
from serval.requests.settings import WaitSettings
from serval.requests.submit.checks import SubmissionChecks
from serval.requests.submit.submit import Submit


def build_submit(settings: WaitSettings, aws: Adapters, registry: EdgeRegistry) -> Submit:
    """Build the use case."""
    fleets = Fleets.from_text(settings.fleets)
    return Submit(
        checks=SubmissionChecks(
            fleets, registry.version, settings.limits, settings.light_upload_bytes
        ),
        store=aws.store,
        payloads=aws.payloads,
        queue=ModelQueues(aws.sqs, settings.stage, fleets.models),
        waker=fleet_control(settings, aws.dynamodb),
    )
