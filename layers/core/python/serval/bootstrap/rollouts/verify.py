"""Composition root of ``verify``."""

import json

from serval.aws.s3.presigned import download
from serval.bundles.verification.deployment import Deployment
from serval.models.deployed_fleets import Fleets
from serval.rollouts.settings import VerifySettings
from serval.rollouts.steps.verify import Verify
from serval.settings import unpack


def build() -> Verify:
    """Build what ``verify`` needs from its environment."""
    settings = VerifySettings.from_environment()
    return Verify(
        download=download,
        deployment=deployment(settings),
        memory_mib=settings.aws_lambda_function_memory_size,
    )


def deployment(settings: VerifySettings) -> Deployment:
    """Read what the stack deployed."""
    functions: dict[str, int] = json.loads(unpack(settings.functions))
    memory = {model: int(mib) for model, mib in functions.items()}
    fleets = Fleets.from_text(settings.fleets)
    return Deployment(memory, settings.ephemeral_storage_mib, fleets)
