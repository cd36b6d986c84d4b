"""An async invocation: the request, where its result goes, and the notice at its end."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from serval_cli.local.launcher.sagemaker.definition import Definition

PREFIX = "x-amzn-sagemaker-"
INLINE_BYTES = 128_000
REGION = "us-east-1"
FORWARDED = ("custom-attributes", "inference-id")


class Refused(Exception):
    """SageMaker would not accept the request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """An accepted invocation."""

    id: str
    body: bytes
    """Empty if the input lies in S3."""
    input_location: str
    content_type: str
    headers: Mapping[str, str]
    """Headers for the container."""
    seconds: float
    output_location: str
    failure_location: str
    received: datetime


def accept(
    definition: Definition, headers: Mapping[str, str], body: bytes, now: datetime
) -> Invocation:
    """Read an invocation from headers with lower-case names, or raise ``Refused``."""

    def header(name: str, default: str = "") -> str:
        return headers.get(PREFIX + name, default)

    location = header("inputlocation")
    if bool(location) == bool(body):
        raise Refused("Provide exactly one of Body and InputLocation.")
    if len(body) > INLINE_BYTES:
        raise Refused(f"Body has {len(body)} bytes; at most {INLINE_BYTES} are taken inline.")
    if not definition.output_path:
        raise Refused("The endpoint is not configured for async inference.")
    inference_id = header("inference-id") or str(uuid.uuid4())
    content_type = header("content-type", "application/octet-stream")
    forwarded = {f"X-Amzn-SageMaker-{name}": header(name) for name in FORWARDED if header(name)}
    return Invocation(
        id=inference_id,
        body=body,
        input_location=location,
        content_type=content_type,
        headers={"Content-Type": content_type, "Accept": header("accept", "*/*"), **forwarded},
        seconds=float(header("invocationtimeoutseconds", "900")),
        output_location=location_in(definition.output_path, f"{inference_id}.out"),
        failure_location=location_in(definition.failure_path, f"{inference_id}-error.out"),
        received=now,
    )


def location_in(path: str, name: str) -> str:
    """Return the location of a file in a folder of S3; empty without a folder."""
    return f"{path.rstrip('/')}/{name}" if path else ""


def notice(
    endpoint: str, invocation: Invocation, now: datetime, *, failure: str = "", answered: str = ""
) -> str:
    """Write the notice that SageMaker publishes when an invocation ends.

    Parameters
    ----------
    failure
        Reason of the failure; empty if the invocation completed.
    answered
        Content type of the result.
    """
    document: dict[str, Any] = {
        "awsRegion": REGION,
        "eventTime": timestamp(now),
        "receivedTime": timestamp(invocation.received),
        "invocationStatus": "Failed" if failure else "Completed",
        "requestParameters": {
            "contentType": invocation.content_type,
            "endpointName": endpoint,
            "inputLocation": invocation.input_location,
        },
        "inferenceId": invocation.id,
        "eventVersion": "1.0",
        "eventSource": "aws:sagemaker",
        "eventName": "InferenceResult",
    }
    if failure:
        document["failureReason"] = failure
    else:
        document["responseParameters"] = {
            "contentType": answered,
            "outputLocation": invocation.output_location,
        }
    return json.dumps(document)


def timestamp(moment: datetime) -> str:
    """Format a time as notices do."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
