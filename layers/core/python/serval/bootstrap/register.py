"""Composition root of ``register``."""

import boto3

from serval.aws.artifacts import S3Artifacts
from serval.aws.claims import DynamoDBClaims
from serval.aws.registry import DynamoDBRegistry
from serval.publication import Publication
from serval.registration import Registration
from serval.settings import RegisterSettings
from serval.uploads import Uploads
from serval.verification.deployment import Deployment


def registration() -> Registration:
    """Build what ``register`` needs from its environment."""
    settings = RegisterSettings.from_environment()
    table = boto3.resource("dynamodb", settings.aws_region).Table(settings.registry_table)
    registry = DynamoDBRegistry(table)
    artifacts = S3Artifacts(boto3.client("s3", settings.aws_region), settings.artifact_bucket)
    return Registration(
        claims=DynamoDBClaims(table),
        uploads=Uploads(artifacts, registry),
        publication=Publication(artifacts, registry),
        registry=registry,
        deployment=Deployment.from_settings(settings),
    )
