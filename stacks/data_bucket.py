"""The data bucket: inference requests that do not fit a row, and results."""

from aws_cdk import Duration, Stack
from aws_cdk.aws_s3 import Bucket, LifecycleRule
from constructs import Construct

from stacks.acknowledgements import acknowledge
from stacks.grants import Granted
from stacks.private_bucket import PrivateBucket, superseded
from stacks.stage import Stage

REQUESTS, ENDPOINTS = "async/*", "async-out/*"
KEPT = Duration.days(30)
"""The longest that a bundle may have its requests kept."""
READ, WRITE = "s3:GetObject", "s3:PutObject"


class DataBucket(PrivateBucket):
    """Requests and results under ``async/``; what SageMaker writes under ``async-out/``."""

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

    def grant_endpoint(self, granted: Granted) -> None:
        """Let SageMaker read what it is asked, and write what becomes of it."""
        self._allow(granted, [READ], REQUESTS)
        self._allow(granted, [WRITE, "s3:AbortMultipartUpload"], ENDPOINTS)

    def _allow_to_miss(self, granted: Granted) -> None:
        """Have S3 answer 404 instead of 403 for an object that is not there, or has expired."""
        granted.allow(["s3:ListBucket"], [self.bucket_arn])

    def _allow(self, granted: Granted, actions: list[str], keys: str) -> None:
        granted.allow(actions, [self.arn_for_objects(keys)])
        own = Stack.of(self)
        arn = own.resolve(own.export_value(self.bucket_arn))["Fn::ImportValue"]
        reason = f"every object under {keys}: each request has a key of its own"
        acknowledge(granted, {f"AwsSolutions-IAM5[Resource::{arn}/{keys}]": reason})
