"""The artifact bucket: uploads as they come in, versions as they serve."""

from typing import cast

from aws_cdk import Duration, Stack
from aws_cdk.aws_s3 import Bucket, CfnBucket, LifecycleRule
from constructs import Construct

from stacks.acknowledgements import acknowledge
from stacks.private_bucket import PrivateBucket, superseded
from stacks.serval_function import ServalFunction
from stacks.stage import Stage

READ = ["s3:GetObject", "s3:GetObjectVersion"]
INCOMING, STAGING, VERSIONS = "incoming/*", "staging/*", "models/*"


class ArtifactBucket(Construct):
    """Uploads under ``incoming/``, which announce themselves; versions under ``models/``."""

    def __init__(self, scope: Construct, id_: str, *, stage: Stage, access_logs: Bucket) -> None:
        super().__init__(scope, id_)
        uploads = LifecycleRule(id="uploads", prefix="incoming/", expiration=Duration.days(7))
        staged = LifecycleRule(id="staged", prefix="staging/", expiration=Duration.days(7))
        self.bucket = PrivateBucket(
            self,
            "Artifacts",
            stage=stage,
            lifecycle=[uploads, staged, superseded(Duration.days(30))],
            access_logs=access_logs,
        )
        # `event_bridge_enabled=True` brings a custom resource with a function of its own.
        cast(CfnBucket, self.bucket.node.default_child).add_property_override(
            "NotificationConfiguration.EventBridgeConfiguration.EventBridgeEnabled", True
        )

    def grant_load(self, function: ServalFunction, model: str | None = None) -> None:
        """Let a function read the versions of one model, or of all."""
        keys = f"models/{model}/*" if model else VERSIONS
        self._allow(function, ["s3:GetObject"], keys)

    def grant_find_uploads(self, function: ServalFunction) -> None:
        """Let a function find uploads and what they inherit, and presign reads of them."""
        self._allow(function, READ, INCOMING)
        self._allow(function, READ, VERSIONS)
        self._allow_to_miss(function)

    def grant_check(self, function: ServalFunction, model: str | None = None) -> None:
        """Let a function read uploads of one model, or of all, and what they inherit and became."""
        for keys in (INCOMING, STAGING, VERSIONS):
            self._allow(function, READ, keys.replace("*", f"{model}/*") if model else keys)

    def grant_optimise(self, function: ServalFunction) -> None:
        """Let a function read uploads and stage forms of them."""
        self._allow(function, READ, INCOMING)
        self._allow(function, READ, VERSIONS)
        self._allow(function, ["s3:PutObject", "s3:AbortMultipartUpload"], STAGING)

    def grant_register(self, function: ServalFunction) -> None:
        """Let a function make versions of uploads and of staged forms; it can delete nothing."""
        self._allow(function, READ, INCOMING)
        self._allow(function, READ, STAGING)
        self._allow(function, [*READ, "s3:PutObject", "s3:AbortMultipartUpload"], VERSIONS)
        self._allow_to_miss(function)

    def _allow_to_miss(self, function: ServalFunction) -> None:
        """Have S3 answer 404 instead of 403 for an object that is not there.

        The check behind it knows no prefix, so none can be asked for here.
        """
        function.allow(["s3:ListBucket"], [self.bucket.bucket_arn])

    def _allow(self, function: ServalFunction, actions: list[str], keys: str) -> None:
        function.allow(actions, [self.bucket.arn_for_objects(keys)])
        own = Stack.of(self)
        arn = own.resolve(own.export_value(self.bucket.bucket_arn))["Fn::ImportValue"]
        reason = f"every object under {keys}: uploads and versions come without a deploy"
        acknowledge(function, {f"AwsSolutions-IAM5[Resource::{arn}/{keys}]": reason})
