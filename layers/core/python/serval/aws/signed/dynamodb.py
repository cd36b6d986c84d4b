"""Calls of DynamoDB by signed requests of the standard library."""

import json
from typing import Any

from serval.aws.signed.client import ATTEMPTS, SignedClient


def call_dynamodb(
    dynamodb: SignedClient, operation: str, request: dict[str, Any], attempts: int = ATTEMPTS
) -> Any:
    """Call DynamoDB; return what it answers, and raise as ``SignedClient.request`` does."""
    headers = {
        "content-type": "application/x-amz-json-1.0",
        "x-amz-target": f"DynamoDB_20120810.{operation}",
    }
    body = json.dumps(request).encode()
    return json.loads(dynamodb.request("POST", "/", headers, body, attempts=attempts).read())
