"""The construct that declares a bucket."""

from collections.abc import Sequence

from aws_cdk import Duration
from aws_cdk.aws_s3 import BlockPublicAccess, Bucket, BucketEncryption, LifecycleRule
from constructs import Construct

from stacks.stage.stage import Stage


class PrivateBucket(Bucket):
    """A bucket that is encrypted, closed to the public and closed to plain HTTP."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        stage: Stage,
        lifecycle: Sequence[LifecycleRule],
        versioned: bool = True,
        access_logs: Bucket | None = None,
        unfinished_days: int = 1,
    ) -> None:
        unfinished = LifecycleRule(
            id="unfinished", abort_incomplete_multipart_upload_after=Duration.days(unfinished_days)
        )
        super().__init__(
            scope,
            id_,
            block_public_access=BlockPublicAccess.BLOCK_ALL,
            encryption=BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            lifecycle_rules=[unfinished, *lifecycle],
            removal_policy=stage.removal_policy,
            server_access_logs_bucket=access_logs,
            server_access_logs_prefix=f"{id_.lower()}/" if access_logs else None,
            versioned=versioned,
        )


def expire_superseded(kept: Duration) -> LifecycleRule:
    """Return a rule that deletes overwritten and deleted objects after a while."""
    return LifecycleRule(
        id="superseded",
        noncurrent_version_expiration=kept,
        expired_object_delete_marker=True,
    )
