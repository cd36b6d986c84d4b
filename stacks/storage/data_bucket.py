"""The data bucket: large inference requests, results, and files of batch jobs."""

from collections.abc import Sequence
from typing import cast

from aws_cdk import Duration, Stack
from aws_cdk.aws_s3 import Bucket, CfnBucket, LifecycleRule
from constructs import Construct

from serval.bundles.cache_section import LONGEST_CACHE_SECONDS
from serval.models.storage import ANSWERS_PREFIX
from serval.models.version import id_pattern
from serval.requests.ids import EARLIER_LENGTHS
from serval.requests.request import PAYLOAD_DAYS
from stacks.stage.acknowledgements import acknowledge
from stacks.stage.grants import Granted
from stacks.stage.stage import Stage
from stacks.storage.private_bucket import PrivateBucket, expire_superseded

REQUESTS, ENDPOINTS, BATCH = "async/*", "async-out/*", "batch/*"
KEPT = Duration.days(PAYLOAD_DAYS)
ANSWERS_KEPT = Duration.days(LONGEST_CACHE_SECONDS // 86_400 + 1)
READ, WRITE = "s3:GetObject", "s3:PutObject"
STOP_WRITING = "s3:AbortMultipartUpload"
EARLIER = [f"async/{'?' * length}/*" for length in EARLIER_LENGTHS]
"""Requests written by an earlier version of Serval, whose keys do not name a model."""


class DataBucket(PrivateBucket):
    """Requests and results under ``async/``; SageMaker's outputs under ``async-out/``.

    Large answers that are kept for whoever asks the same lie under ``cache/``.

    Inputs and outputs of batch jobs lie under ``batch/`` until their owner deletes them; uploads
    there send events.
    """

    def __init__(self, scope: Construct, id_: str, *, stage: Stage, access_logs: Bucket) -> None:
        results = LifecycleRule(id="results", prefix="async/", expiration=KEPT)
        outputs = LifecycleRule(id="outputs", prefix="async-out/", expiration=KEPT)
        answers = LifecycleRule(id="answers", prefix=ANSWERS_PREFIX, expiration=ANSWERS_KEPT)
        super().__init__(
            scope,
            id_,
            stage=stage,
            lifecycle=[results, outputs, answers, expire_superseded(Duration.days(7))],
            access_logs=access_logs,
        )
        # As in the artifact bucket: avoids a custom resource with its own function.
        cast(CfnBucket, self.node.default_child).add_property_override(
            "NotificationConfiguration.EventBridgeConfiguration.EventBridgeEnabled", True
        )

    def grant_batch_items(self, granted: Granted) -> None:
        """Grant reading lists of planned shards."""
        self._allow(granted, [READ], BATCH)

    def grant_batch_inputs(self, granted: Granted) -> None:
        """Grant finding and reading files of batch jobs, also by version.

        Listing is limited to ``batch/``. The condition applies only to requests with a prefix: a
        request for an object has none, and would be refused instead of answered 404.
        """
        self._allow(granted, [READ, "s3:GetObjectVersion"], BATCH)
        self._allow_to_miss(granted, listed=[BATCH])

    def grant_batch_writes(self, granted: Granted) -> None:
        """Grant writing files of batch jobs, each in one request."""
        self._allow(granted, [WRITE], BATCH)

    def grant_large_batch_writes(self, granted: Granted) -> None:
        """Grant writing files of batch jobs, also as multipart uploads, and aborting these."""
        self._allow(granted, [WRITE, STOP_WRITING], BATCH)

    def grant_batch_deletes(self, granted: Granted) -> None:
        """Grant deleting files of batch jobs that are no longer needed."""
        self._allow(granted, ["s3:DeleteObject"], BATCH)

    def grant_work(self, granted: Granted, models: Sequence[str]) -> None:
        """Grant a worker reading and writing the files of its own models only."""
        actions = [READ, "s3:GetObjectVersion", WRITE, STOP_WRITING, "s3:DeleteObject"]
        own = [f"batch/{model}/*" for model in models]
        for keys in own:
            self._allow(granted, actions, keys)
        for keys in requests_of(models):
            self._allow(granted, [READ, WRITE], keys)
        self._allow_to_miss(granted, listed=own)

    def grant_requests(self, granted: Granted) -> None:
        """Grant reading and writing requests and results, and presigning both for callers."""
        self.grant_requests_of_rows(granted)
        self._allow_to_miss(granted)

    def grant_requests_of_rows(self, granted: Granted) -> None:
        """Grant reading and writing requests and results, to who may read batch jobs' files."""
        self._allow(granted, [READ, WRITE], REQUESTS)

    def grant_results(self, granted: Granted) -> None:
        """Grant reading results, wherever they were written, and presigning reads for callers."""
        self._allow(granted, [READ], REQUESTS)
        self.grant_outputs(granted)

    def grant_answers(self, granted: Granted) -> None:
        """Grant writing the answers of calls of SageMaker's asynchronous inference."""
        self._allow(granted, [WRITE], "async/out/*")

    def grant_keep(self, granted: Granted, model: str | None = None) -> None:
        """Grant keeping large answers of one model, or of all, and finding them."""
        keys = f"{ANSWERS_PREFIX}{model}/*" if model else f"{ANSWERS_PREFIX}*"
        self._allow(granted, [READ, WRITE], keys)
        self._allow_to_miss(granted, listed=[keys])

    def grant_outputs(self, granted: Granted) -> None:
        """Grant reading SageMaker's outputs."""
        self._allow(granted, [READ], ENDPOINTS)
        self._allow_to_miss(granted)

    def grant_endpoint(self, granted: Granted, models: Sequence[str]) -> None:
        """Grant SageMaker reading the requests of these models, and writing results."""
        for keys in requests_of(models):
            self._allow(granted, [READ], keys)
        self._allow(granted, [WRITE, STOP_WRITING], ENDPOINTS)

    def _allow_to_miss(self, granted: Granted, listed: Sequence[str] = ()) -> None:
        """Let S3 answer 404 instead of 403 for an object that is missing or has expired."""
        only = {"StringLikeIfExists": {"s3:prefix": list(listed)}} if listed else None
        granted.allow(["s3:ListBucket"], [self.bucket_arn], only)

    def _allow(self, granted: Granted, actions: list[str], keys: str) -> None:
        granted.allow(actions, [self.arn_for_objects(keys)])
        own = Stack.of(self)
        arn = own.resolve(own.export_value(self.bucket_arn))["Fn::ImportValue"]
        reason = f"every object under {keys}: each request has a key of its own"
        acknowledge(granted, {f"AwsSolutions-IAM5[Resource::{arn}/{keys}]": reason})


def requests_of(models: Sequence[str]) -> list[str]:
    """Return the key patterns of models' requests and results."""
    return [*(f"async/{id_pattern(model)}" for model in models), *EARLIER]
