"""Addresses of AWS's services; each of its partitions has its own domain."""

from urllib.parse import urlsplit

DOMAINS = {
    "cn-": "amazonaws.com.cn",
    "eu-isoe-": "cloud.adc-e.uk",
    "eusc-": "amazonaws.eu",
    "us-iso-": "c2s.ic.gov",
    "us-isob-": "sc2s.sgov.gov",
    "us-isof-": "csp.hci.ic.gov",
}
"""By the prefix of a region's name; all other regions use ``ELSEWHERE``."""
ELSEWHERE = "amazonaws.com"


def domain(region: str) -> str:
    """Return the domain of a region's services."""
    return next((DOMAINS[start] for start in DOMAINS if region.startswith(start)), ELSEWHERE)


def service_url(service: str, region: str) -> str:
    """Return the URL of a service in a region."""
    return f"https://{service}.{region}.{domain(region)}"


def stream_url(url: str, endpoint_url: str) -> str:
    """Return the address of a function's URL, which on the local platform is a path.

    There it has another host than the API, as on AWS: clients send no keys along.
    """
    if not endpoint_url:
        return url
    port = urlsplit(endpoint_url).port
    return f"http://localhost:{port}/_aws/lambda-url/{url.split('//')[1].split('.')[0]}/"


def bucket_url(bucket: str, region: str) -> str:
    """Return the URL of a bucket."""
    return f"https://{bucket}.s3.{region}.{domain(region)}"
