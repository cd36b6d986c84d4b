"""Composition root of ``verify``."""

from serval.aws.s3.presigned import download
from serval.bundles.verification.deployment import Deployment
from serval.rollouts.settings import VerifySettings
from serval.rollouts.steps.verify import Verifying


def verifying() -> Verifying:
    """Build what ``verify`` needs from its environment."""
    settings = VerifySettings.from_environment()
    return Verifying(
        download=download,
        deployment=Deployment.from_settings(settings),
        memory_mib=settings.aws_lambda_function_memory_size,
    )
