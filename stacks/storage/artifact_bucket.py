"""The artifact bucket: incoming uploads and published versions."""

from typing import cast

from aws_cdk import Duration, Stack
from aws_cdk.aws_s3 import Bucket, CfnBucket, LifecycleRule
from constructs import Construct

from serval.models.storage import MANIFEST
from stacks.stage.acknowledgements import acknowledge
from stacks.stage.grants import Granted
from stacks.stage.stage import Stage
from stacks.storage.private_bucket import PrivateBucket, expire_superseded

READ = ["s3:GetObject", "s3:GetObjectVersion"]
INCOMING, STAGING, VERSIONS = "incoming/*", "staging/*", "models/*"
UPLOAD_DAYS = 7
"""An upload of 200 GB may take days, and break off in between."""
ANNOUNCEMENTS = [
    {"wildcard": f"{INCOMING}/{MANIFEST}"},
    {"anything-but": {"wildcard": [STAGING, VERSIONS, f"{INCOMING}/*/*"]}},
]
"""EventBridge patterns of keys that may announce an upload; ``claim`` checks them further.

The patterns' ``*`` also matches slashes: ``incoming/*/model.onnx`` would match artifacts of bundles
too. A bare artifact therefore lies under none of the prefixes and in no folder of an upload.
"""


class ArtifactBucket(Construct):
    """Uploads under ``incoming/``, which send events; versions under ``models/``."""

    def __init__(self, scope: Construct, id_: str, *, stage: Stage, access_logs: Bucket) -> None:
        super().__init__(scope, id_)
        uploads = LifecycleRule(
            id="uploads", prefix="incoming/", expiration=Duration.days(UPLOAD_DAYS)
        )
        staged = LifecycleRule(id="staged", prefix="staging/", expiration=Duration.days(7))
        self.bucket = PrivateBucket(
            self,
            "Artifacts",
            stage=stage,
            lifecycle=[uploads, staged, expire_superseded(Duration.days(30))],
            access_logs=access_logs,
            unfinished_days=UPLOAD_DAYS,
        )
        # `event_bridge_enabled=True` would add a custom resource with its own function.
        cast(CfnBucket, self.bucket.node.default_child).add_property_override(
            "NotificationConfiguration.EventBridgeConfiguration.EventBridgeEnabled", True
        )

    def grant_load(self, granted: Granted, model: str | None = None) -> None:
        """Grant reading the versions of one model, or of all."""
        keys = f"models/{model}/*" if model else VERSIONS
        self._allow(granted, ["s3:GetObject"], keys)

    def grant_find_uploads(self, granted: Granted) -> None:
        """Grant finding uploads and the versions they inherit, and presigning reads of them."""
        self._allow(granted, READ, INCOMING)
        self._allow(granted, READ, VERSIONS)
        self._allow_to_miss(granted)

    def grant_check(self, granted: Granted, model: str | None = None) -> None:
        """Grant reading uploads of one model, or of all, with staged forms and versions."""
        for keys in (INCOMING, STAGING, VERSIONS):
            self._allow(granted, READ, keys.replace("*", f"{model}/*") if model else keys)

    def grant_optimise(self, granted: Granted) -> None:
        """Grant reading uploads and staging forms of them."""
        self._allow(granted, READ, INCOMING)
        self._allow(granted, READ, VERSIONS)
        self._allow(granted, ["s3:PutObject", "s3:AbortMultipartUpload"], STAGING)

    def grant_register(self, granted: Granted) -> None:
        """Grant turning uploads and staged forms into versions; nothing can be deleted."""
        self._allow(granted, READ, INCOMING)
        self._allow(granted, READ, STAGING)
        self._allow(granted, [*READ, "s3:PutObject", "s3:AbortMultipartUpload"], VERSIONS)
        self._allow_to_miss(granted)

    def _allow_to_miss(self, granted: Granted) -> None:
        """Let S3 answer 404 instead of 403 for a missing object.

        The underlying check has no prefix, so this cannot be narrowed.
        """
        granted.allow(["s3:ListBucket"], [self.bucket.bucket_arn])

    def _allow(self, granted: Granted, actions: list[str], keys: str) -> None:
        granted.allow(actions, [self.bucket.arn_for_objects(keys)])
        own = Stack.of(self)
        arn = own.resolve(own.export_value(self.bucket.bucket_arn))["Fn::ImportValue"]
        reason = f"every object under {keys}: uploads and versions are added without a deploy"
        acknowledge(granted, {f"AwsSolutions-IAM5[Resource::{arn}/{keys}]": reason})
