"""Records of versions beside the artifacts, for servers that may not read the table."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from serval.errors import InvalidParameter, ModelVersionNotFound
from serval.models.route import Route
from serval.models.storage import record_key
from serval.models.version import ModelVersion

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MISSING = frozenset({"AccessDenied", "NoSuchKey"})
"""Without the right to list the bucket, a missing object is denied too."""


@dataclass(frozen=True, slots=True)
class ArtifactRecords:
    """The registry of a server whose callers name the version."""

    client: "S3Client"
    bucket: str

    def route(self, model: str) -> Route:
        """Raise ``InvalidParameter``: there are no routes here."""
        raise InvalidParameter(
            "version",
            None,
            f"/v2/models/{model}/versions/<version> in the path, or X-Amzn-SageMaker-Target-Variant"
            " of an invocation,",
        )

    def version(self, model: str, version: str) -> ModelVersion:
        """Return a version, or raise ``ModelVersionNotFound``."""
        try:
            found = self.client.get_object(Bucket=self.bucket, Key=record_key(model, version))
        except ClientError as error:
            if error.response["Error"]["Code"] in MISSING:
                raise ModelVersionNotFound(model, version) from error
            raise
        with found["Body"] as body:
            return ModelVersion.from_json(body.read().decode())
