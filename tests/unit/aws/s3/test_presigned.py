"""Presigned URLs: of the bucket's own region, pinned to a version."""

from urllib.parse import parse_qs, urlsplit

import boto3
import pytest

from serval.aws.s3.artifacts import PRESIGNING, S3Artifacts
from serval.bundles.uploads import StoredObject


def presigned(region: str, endpoint_url: str | None = None) -> str:
    client = boto3.client(
        "s3",
        region_name=region,
        endpoint_url=endpoint_url,
        aws_access_key_id="id",
        aws_secret_access_key="secret",
        aws_session_token="token",
        config=PRESIGNING,
    )
    return S3Artifacts(client, "artifacts").presign(StoredObject("incoming/x", "v1", 1))


@pytest.mark.parametrize("region", ["eu-central-1", "ap-southeast-2"])
def test_a_url_names_the_region_so_that_a_new_bucket_does_not_redirect(region: str):
    url = urlsplit(presigned(region))
    query = parse_qs(url.query)

    assert url.netloc == f"artifacts.s3.{region}.amazonaws.com"
    assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    assert query["versionId"] == ["v1"]
    assert query["X-Amz-Expires"] == ["1800"]


def test_a_local_platform_has_its_buckets_in_the_path():
    url = urlsplit(presigned("us-east-1", "http://127.0.0.1:4566"))

    assert (url.netloc, url.path) == ("127.0.0.1:4566", "/artifacts/incoming/x")
