"""What calls functions by their models: those of models' own, and ``wait`` for models on fleets."""

import json
from collections.abc import Mapping

from serval.aws.signed.addresses import service_url
from serval.aws.signed.client import SignedClient
from serval.aws.signed.functions import SignedFunctions
from serval.models.resource_names import inference_function_name
from serval.settings import SigningSettings, unpack

ROWS_SECONDS = 60.0
"""Twice what a model's own function has for a call."""
ROWS_ATTEMPTS = 9
"""At a call while Lambda is throttled: about 25 s, after which who called it waits longer."""


def signed_functions(
    settings: SigningSettings,
    names: Mapping[str, str],
    seconds: float,
    attempts: int = 1,
    otherwise: str = "",
) -> SignedFunctions:
    """Build what calls the function of each model.

    Parameters
    ----------
    names
        Model → its function.
    seconds
        How long an answer is waited for.
    otherwise
        The function of all other models.
    """
    client = SignedClient(
        service="lambda",
        region=settings.aws_region,
        credentials=settings.credentials,
        endpoint_url=settings.aws_endpoint_url or service_url("lambda", settings.aws_region),
        timeout_seconds=seconds,
    )
    return SignedFunctions(client, names, attempts, otherwise)


def handler_functions(settings: SigningSettings, stage: str, handlers: str) -> SignedFunctions:
    """Build what lets handlers' own functions answer rows.

    Parameters
    ----------
    handlers
        The models that are handlers on Lambda, as JSON, which may be packed.
    """
    models: list[str] = json.loads(unpack(handlers))
    names = {model: inference_function_name(stage, model) for model in models}
    return signed_functions(settings, names, ROWS_SECONDS, ROWS_ATTEMPTS)
