"""Addresses of AWS's services, in every region of every partition."""

from itertools import chain

import boto3
import pytest

from serval.aws.signed.addresses import bucket_url, domain, service_url, stream_url

SESSION = boto3.Session("test", "test", region_name="us-east-1")
REGIONS = sorted(
    chain.from_iterable(
        SESSION.get_available_regions("dynamodb", partition)
        for partition in SESSION.get_available_partitions()
    )
)


@pytest.mark.parametrize("region", REGIONS)
def test_a_service_is_where_botocore_finds_it(region: str) -> None:
    found = SESSION.client("dynamodb", region).meta.endpoint_url
    assert service_url("dynamodb", region) == found


@pytest.mark.parametrize("region", ["eu-central-1", "us-gov-west-1", "cn-north-1"])
def test_a_bucket_is_where_botocore_finds_it(region: str) -> None:
    client = SESSION.client("s3", region)
    url = client.generate_presigned_url("get_object", Params={"Bucket": "data", "Key": "k"})
    assert bucket_url("data", region) in (
        url.partition("/k")[0],
        url.partition("/k")[0].replace(".s3.", f".s3.{region}."),
    )


def test_china_has_a_domain_of_its_own() -> None:
    assert domain("cn-north-1") == "amazonaws.com.cn"
    assert domain("us-gov-east-1") == "amazonaws.com"


def test_a_functions_url_is_a_path_of_the_laptop_under_another_name_of_it() -> None:
    url = "https://abc123.lambda-url.us-east-1.on.aws/"
    assert stream_url(url, "") == url
    local = stream_url(url, "http://127.0.0.1:4600")
    assert local == "http://localhost:4600/_aws/lambda-url/abc123/"
