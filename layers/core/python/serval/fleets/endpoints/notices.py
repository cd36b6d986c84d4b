"""Notices that SageMaker's async endpoints publish to SNS, one for each ended inference.

Documented in "Check prediction results", Amazon SageMaker Developer Guide (asynchronous inference).
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

STATUS = re.compile(r"\((\d{3})\)")
CLIENTS_FAULT = range(400, 500)
PASSING = frozenset({408, 409, 424, 425, 429})
"""4xx statuses that are not about the request itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A notice about an inference that has ended."""

    inference_id: str
    succeeded: bool
    output: str = ""
    """Where the result lies, as ``s3://bucket/key``."""
    json_alone: bool = False
    """The result is JSON, with no binary tensors after it."""
    reason: str = ""
    """Why it failed."""
    milliseconds: float = 0.0
    """From arriving at the endpoint to its end."""

    @property
    def refused(self) -> bool:
        """Whether the container refused the request itself."""
        found = STATUS.search(self.reason)
        status = int(found[1]) if found else 500
        return status in CLIENTS_FAULT and status not in PASSING


def read_notices(event: Mapping[str, Any]) -> Iterator[Notice]:
    """Read the notices in an event of SNS."""
    for record in event["Records"]:
        yield read_notice(json.loads(record["Sns"]["Message"]))


def read_notice(message: Mapping[str, Any]) -> Notice:
    """Read a published message."""
    answer = message.get("responseParameters", {})
    return Notice(
        inference_id=str(message.get("inferenceId", "")),
        succeeded=message.get("invocationStatus") == "Completed",
        output=str(answer.get("outputLocation", "")),
        json_alone=str(answer.get("contentType", "")).startswith("application/json"),
        reason=str(message.get("failureReason") or "SageMaker gave no reason"),
        milliseconds=_milliseconds(message.get("receivedTime"), message.get("eventTime")),
    )


def _milliseconds(since: str | None, until: str | None) -> float:
    if not since or not until:
        return 0.0
    passed = datetime.fromisoformat(until) - datetime.fromisoformat(since)
    return max(0.0, passed.total_seconds() * 1000)
