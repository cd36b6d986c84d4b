"""The data bucket: inference requests that do not fit a row, results, and files of batch jobs."""

from collections.abc import Sequence
from typing import cast

from aws_cdk import Duration, Stack
from aws_cdk.aws_s3 import Bucket, CfnBucket, LifecycleRule
from constructs import Construct

from serval.models.tag import ids_of
from serval.requests.ids import EARLIER_LENGTHS
from serval.requests.request import PAYLOAD_DAYS
from stacks.stage.acknowledgements import acknowledge
from stacks.stage.grants import Granted
from stacks.stage.stage import Stage
from stacks.storage.private_bucket import PrivateBucket, superseded

REQUESTS, ENDPOINTS, BATCH = "async/*", "async-out/*", "batch/*"
KEPT = Duration.days(PAYLOAD_DAYS)
READ, WRITE = "s3:GetObject", "s3:PutObject"
STOP_WRITING = "s3:AbortMultipartUpload"
EARLIER = [f"async/{'?' * length}/*" for length in EARLIER_LENGTHS]
"""What an earlier Serval has written of requests: nothing says which model they are of."""


class DataBucket(PrivateBucket):
    """Requests and results under ``async/``; what SageMaker writes under ``async-out/``.

    Inputs and outputs of batch jobs under ``batch/``, which stay until their owner deletes them;
    uploads announce themselves.
    """

    def __init__(self, scope: Construct, id_: str, *, stage: Stage, access_logs: Bucket) -> None:
        results = LifecycleRule(id="results", prefix="async/", expiration=KEPT)
        outputs = LifecycleRule(id="outputs", prefix="async-out/", expiration=KEPT)
        super().__init__(
            scope,
            id_,
            stage=stage,
            lifecycle=[results, outputs, superseded(Duration.days(7))],
            access_logs=access_logs,
        )
        # As for the artifact bucket: no custom resource with a function of its own.
        cast(CfnBucket, self.node.default_child).add_property_override(
            "NotificationConfiguration.EventBridgeConfiguration.EventBridgeEnabled", True
        )

    def grant_batch_items(self, granted: Granted) -> None:
        """Let it read the lists of shards that were planned."""
        self._allow(granted, [READ], BATCH)

    def grant_batch_inputs(self, granted: Granted) -> None:
        """Let it find and read inputs of batch jobs and what was written of them, also by version.

        It may list only under ``batch/``. The condition holds where a request has a prefix: one
        for an object has none, and would be denied instead of told that there is no such object.
        """
        self._allow(granted, [READ, "s3:GetObjectVersion"], BATCH)
        self._allow_to_miss(granted, listed=[BATCH])

    def grant_batch_writes(self, granted: Granted) -> None:
        """Let it write plans, parts and outputs of batch jobs, each in one request."""
        self._allow(granted, [WRITE], BATCH)

    def grant_large_batch_writes(self, granted: Granted) -> None:
        """Let it write them in parts, too, and give up what it has begun so."""
        self._allow(granted, [WRITE, STOP_WRITING], BATCH)

    def grant_batch_deletes(self, granted: Granted) -> None:
        """Let it delete what a batch job has written and does not need any more."""
        self._allow(granted, ["s3:DeleteObject"], BATCH)

    def grant_work(self, granted: Granted, models: Sequence[str]) -> None:
        """Let a worker read and write requests, results and files of batch jobs of its models.

        Nobody else's; and it lists only files of batch jobs.
        """
        actions = [READ, "s3:GetObjectVersion", WRITE, STOP_WRITING, "s3:DeleteObject"]
        own = [f"batch/{model}/*" for model in models]
        for keys in own:
            self._allow(granted, actions, keys)
        for keys in requests_of(models):
            self._allow(granted, [READ, WRITE], keys)
        self._allow_to_miss(granted, listed=own)

    def grant_requests(self, granted: Granted) -> None:
        """Let it read and write inference requests and results, and presign that for callers."""
        self._allow(granted, [READ, WRITE], REQUESTS)
        self._allow_to_miss(granted)

    def grant_results(self, granted: Granted) -> None:
        """Let it read results, wherever they were written, and presign that for callers."""
        self._allow(granted, [READ], REQUESTS)
        self.grant_outputs(granted)

    def grant_outputs(self, granted: Granted) -> None:
        """Let it read what SageMaker has written."""
        self._allow(granted, [READ], ENDPOINTS)
        self._allow_to_miss(granted)

    def grant_endpoint(self, granted: Granted, models: Sequence[str]) -> None:
        """Let SageMaker read what these models are asked, and write what becomes of it."""
        for keys in requests_of(models):
            self._allow(granted, [READ], keys)
        self._allow(granted, [WRITE, STOP_WRITING], ENDPOINTS)

    def _allow_to_miss(self, granted: Granted, listed: Sequence[str] = ()) -> None:
        """Have S3 answer 404 instead of 403 for an object that is not there, or has expired."""
        only = {"StringLikeIfExists": {"s3:prefix": list(listed)}} if listed else None
        granted.allow(["s3:ListBucket"], [self.bucket_arn], only)

    def _allow(self, granted: Granted, actions: list[str], keys: str) -> None:
        granted.allow(actions, [self.arn_for_objects(keys)])
        own = Stack.of(self)
        arn = own.resolve(own.export_value(self.bucket_arn))["Fn::ImportValue"]
        reason = f"every object under {keys}: each request has a key of its own"
        acknowledge(granted, {f"AwsSolutions-IAM5[Resource::{arn}/{keys}]": reason})


def requests_of(models: Sequence[str]) -> list[str]:
    """Give the patterns of the keys under which requests and results of models lie."""
    return [*(f"async/{ids_of(model)}" for model in models), *EARLIER]
