"""What calls functions by their models: those of models' own, and ``wait`` for models on fleets."""

from collections.abc import Mapping

from serval.aws.signed.addresses import service_url
from serval.aws.signed.client import SignedClient
from serval.aws.signed.functions import SignedFunctions
from serval.settings import SigningSettings


def signed_functions(
    settings: SigningSettings, names: Mapping[str, str], seconds: float, attempts: int = 1
) -> SignedFunctions:
    """Build what calls the function of each model.

    Parameters
    ----------
    names
        Model → its function.
    seconds
        How long an answer is waited for.
    """
    client = SignedClient(
        service="lambda",
        region=settings.aws_region,
        credentials=settings.credentials,
        endpoint_url=settings.aws_endpoint_url or service_url("lambda", settings.aws_region),
        timeout_seconds=seconds,
    )
    return SignedFunctions(client, names, attempts)
