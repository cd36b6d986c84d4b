"""Opens the cache of answers, once a version is loaded that has one: all others pay nothing."""

from collections.abc import Callable
from functools import cache, partial
from typing import TYPE_CHECKING

from serval.bootstrap.log import print_line
from serval.inference.loaded import Loaded, without_cache
from serval.models.metrics import InferenceMetrics
from serval.settings import SigningSettings

if TYPE_CHECKING:
    from serval.inference.kept_answers import KeptAnswers, Outcome

Caching = Callable[[Loaded, int, str, "dict[str, Outcome]"], Loaded]


def keep_late(
    answers: Callable[[], "KeptAnswers"],
    loaded: Loaded,
    seconds: int,
    name: str,
    outcomes: "dict[str, Outcome]",
) -> Loaded:
    """Return a version that looks its answers up, where they are reached when first asked for."""
    from serval.inference.cached import keep_answers

    return keep_answers(answers(), loaded, seconds, name, outcomes)


def answer_caching(
    settings: SigningSettings, table: str, bucket: str, metrics: InferenceMetrics
) -> Caching:
    """Build what keeps answers; without a table, nothing does."""
    if not table:
        return without_cache
    return partial(keep_late, cache(partial(open_answers, settings, table, bucket, metrics)))


def open_answers(
    settings: SigningSettings, table: str, bucket: str, metrics: InferenceMetrics
) -> "KeptAnswers":
    """Reach the table and the bucket."""
    from serval.aws.signed.addresses import bucket_url, service_url
    from serval.aws.signed.answers import WAIT_SECONDS, SignedAnswers
    from serval.aws.signed.client import SignedClient
    from serval.inference.kept_answers import KeptAnswers

    aws, region = settings.aws_endpoint_url, settings.aws_region
    client = partial(
        SignedClient,
        region=region,
        credentials=settings.credentials,
        timeout_seconds=WAIT_SECONDS,
    )
    dynamodb = client(service="dynamodb", endpoint_url=aws or service_url("dynamodb", region))
    s3 = client(service="s3", endpoint_url=f"{aws}/{bucket}" if aws else bucket_url(bucket, region))
    return KeptAnswers(
        SignedAnswers(table, dynamodb, s3),
        print_line,
        lambda model: metrics.count_failure(model, "cached"),
    )
