"""Composition root of ``verify``."""

import json

from serval.aws.s3.presigned import open_from
from serval.bootstrap.function import LambdaFunction
from serval.bundles.uploads import Upload
from serval.bundles.verification.deployment import Deployment
from serval.models.deployed_fleets import Fleets
from serval.rollouts.settings import VerifySettings
from serval.rollouts.steps.verify import Verify
from serval.settings import unpack


def build() -> LambdaFunction[Verify]:
    """Build the function from its environment, once per cold start."""
    settings = VerifySettings.from_environment()
    return LambdaFunction(
        "verify",
        Verify(
            open_from=open_from,
            deployment=deployment(settings),
            memory_mib=settings.aws_lambda_function_memory_size,
        ),
        lambda verify, event, _: verify.verify(
            Upload.from_json(event["upload"]), json.loads(unpack(event["urls"]))
        ),
        lambda event, outcome: {"rollout": event["upload"]["rollout"], "outcome": outcome},
    )


def deployment(settings: VerifySettings) -> Deployment:
    """Read what the stack deployed."""
    functions: dict[str, int] = json.loads(unpack(settings.functions))
    memory = {model: int(mib) for model, mib in functions.items()}
    fleets = Fleets.from_text(settings.fleets)
    return Deployment(memory, settings.ephemeral_storage_mib, fleets)
