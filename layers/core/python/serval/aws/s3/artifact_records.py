"""Versions' records as they lie beside the artifacts, for who may read no table."""

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
"""Who may not list the bucket is told nothing of what is not there."""


@dataclass(frozen=True, slots=True)
class ArtifactRecords:
    """The registry's reads of a server that is always told which version to run."""

    client: "S3Client"
    bucket: str

    def route(self, model: str) -> Route:
        """Raise ``InvalidParameter``: there are no routes here."""
        raise InvalidParameter(
            "version", None, f"/v2/models/{model}/versions/<version> in the path"
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
