"""Let programs on this machine use the emulator as if it were AWS."""

import os
from collections.abc import Mapping

import boto3
from botocore.config import Config

REGION = "us-east-1"
ACCOUNT = "000000000000"
CREDENTIAL = "test"
"""Credentials of the stage's owner, who may do everything."""
KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
FOREIGN = ("AWS_", "CDK_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy")
"""Prefixes of the caller's variables that belong to another account or network."""
# Bypasses the environment's proxies: the emulator is on this machine.
CONFIG = Config(proxies={}, retries={"total_max_attempts": 1})


def environment(endpoint: str, environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a program that calls the emulator."""
    caller = os.environ if environ is None else environ
    kept = {name: value for name, value in caller.items() if not name.startswith(FOREIGN)}
    return kept | {
        **sdk_variables(endpoint),
        "AWS_ENDPOINT_URL_S3": endpoint,
        "CDK_DEFAULT_ACCOUNT": ACCOUNT,
        "CDK_DEFAULT_REGION": REGION,
        "CDK_DISABLE_CLI_TELEMETRY": "true",
        "CDK_DISABLE_VERSION_CHECK": "1",
    }


def sdk_variables(endpoint: str) -> dict[str, str]:
    """Return the variables that point an SDK or the AWS CLI to the emulator."""
    return {
        "AWS_ACCESS_KEY_ID": CREDENTIAL,
        "AWS_SECRET_ACCESS_KEY": CREDENTIAL,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": endpoint,
    }


def role_environment(environment: Mapping[str, str], credentials: str) -> dict[str, str]:
    """Return an environment whose program fetches its credentials from a URL, as ECS tasks do."""
    kept = {name: value for name, value in environment.items() if name not in KEYS}
    return kept | {"AWS_CONTAINER_CREDENTIALS_FULL_URI": credentials}


def create_session() -> boto3.Session:
    """Create a session; its clients still need the endpoint and ``CONFIG``."""
    return boto3.Session(
        aws_access_key_id=CREDENTIAL, aws_secret_access_key=CREDENTIAL, region_name=REGION
    )
