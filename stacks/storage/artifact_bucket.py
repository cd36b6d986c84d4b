"""The artifact bucket: uploads as they come in, versions as they serve."""

from typing import cast

from aws_cdk import Duration, Stack
from aws_cdk.aws_s3 import Bucket, CfnBucket, LifecycleRule
from constructs import Construct

from serval.models.storage import MANIFEST
from stacks.stage.acknowledgements import acknowledge
from stacks.stage.grants import Granted
from stacks.stage.stage import Stage
from stacks.storage.private_bucket import PrivateBucket, superseded

READ = ["s3:GetObject", "s3:GetObjectVersion"]
INCOMING, STAGING, VERSIONS = "incoming/*", "staging/*", "models/*"
ANNOUNCEMENTS = [
    {"wildcard": f"{INCOMING}/{MANIFEST}"},
    {"anything-but": {"wildcard": [STAGING, VERSIONS, f"{INCOMING}/*/*"]}},
]
"""EventBridge's patterns of keys that may announce an upload; ``claim`` looks closer.

Its ``*`` is also of what has slashes: ``incoming/*/model.onnx`` would take the artifacts of bundles
too. So a bare artifact is what lies under none of the prefixes and in no folder of an upload.
"""


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

    def grant_load(self, granted: Granted, model: str | None = None) -> None:
        """Let it read the versions of one model, or of all."""
        keys = f"models/{model}/*" if model else VERSIONS
        self._allow(granted, ["s3:GetObject"], keys)

    def grant_find_uploads(self, granted: Granted) -> None:
        """Let it find uploads and what they inherit, and presign reads of them."""
        self._allow(granted, READ, INCOMING)
        self._allow(granted, READ, VERSIONS)
        self._allow_to_miss(granted)

    def grant_check(self, granted: Granted, model: str | None = None) -> None:
        """Let it read uploads of one model, or of all, and what they inherit and became."""
        for keys in (INCOMING, STAGING, VERSIONS):
            self._allow(granted, READ, keys.replace("*", f"{model}/*") if model else keys)

    def grant_optimise(self, granted: Granted) -> None:
        """Let it read uploads and stage forms of them."""
        self._allow(granted, READ, INCOMING)
        self._allow(granted, READ, VERSIONS)
        self._allow(granted, ["s3:PutObject", "s3:AbortMultipartUpload"], STAGING)

    def grant_register(self, granted: Granted) -> None:
        """Let it make versions of uploads and of staged forms; it can delete nothing."""
        self._allow(granted, READ, INCOMING)
        self._allow(granted, READ, STAGING)
        self._allow(granted, [*READ, "s3:PutObject", "s3:AbortMultipartUpload"], VERSIONS)
        self._allow_to_miss(granted)

    def _allow_to_miss(self, granted: Granted) -> None:
        """Have S3 answer 404 instead of 403 for an object that is not there.

        The check behind it knows no prefix, so none can be asked for here.
        """
        granted.allow(["s3:ListBucket"], [self.bucket.bucket_arn])

    def _allow(self, granted: Granted, actions: list[str], keys: str) -> None:
        granted.allow(actions, [self.bucket.arn_for_objects(keys)])
        own = Stack.of(self)
        arn = own.resolve(own.export_value(self.bucket.bucket_arn))["Fn::ImportValue"]
        reason = f"every object under {keys}: uploads and versions come without a deploy"
        acknowledge(granted, {f"AwsSolutions-IAM5[Resource::{arn}/{keys}]": reason})
