"""Answers that are kept: an item each in a table, and an object beside it if they are large.

DynamoDB charges a write by its KiB and S3 does not, but a hit in S3 waits for a second answer.
"""

import base64
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from serval.aws.signed.client import TRANSIENT, AwsRefused, AwsUnavailable, SignedClient
from serval.inference.kept_answers import CacheFailed
from serval.models.storage import ANSWERS_PREFIX

INLINE_BYTES = 32 * 1024
"""The largest answer that lies in its item; an item has at most 400 KiB."""
WAIT_SECONDS = 1.0
"""For AWS: who looks an answer up could have run the model meanwhile."""
KEY, WRITTEN, BODY, EXPIRES = "key", "written", "body", "expires"
NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class SignedAnswers:
    """``AnswerCache`` in DynamoDB and S3, asked once for each answer."""

    table: str
    dynamodb: SignedClient
    s3: SignedClient
    """A client whose endpoint is the data bucket's."""
    clock: Callable[[], float] = time.time

    def find(self, key: str, oldest: float) -> bytes | None:
        """Return what was kept under a key since ``oldest``; None: nothing."""
        found = self._ask("GetItem", {"Key": {KEY: {"S": key}}}).get("Item")
        if not found or float(found[WRITTEN]["N"]) < oldest:
            return None
        if BODY in found:
            return base64.b64decode(found[BODY]["B"])
        try:
            return self.s3.request("GET", f"/{ANSWERS_PREFIX}{key}", {}, attempts=1).read()
        except AwsRefused as error:
            if error.status == NOT_FOUND:
                return None
            raise CacheFailed(f"S3 refused a read: {error}") from error
        except (AwsUnavailable, *TRANSIENT) as error:
            raise CacheFailed(f"S3 did not answer: {error}") from error

    def keep(self, key: str, body: bytes, seconds: int) -> None:
        """Keep an answer for so long: a large one first, so that its item leads to it."""
        now = self.clock()
        item = {
            KEY: {"S": key},
            WRITTEN: {"N": f"{now:.3f}"},
            EXPIRES: {"N": str(int(now) + seconds + 1)},
        }
        if len(body) <= INLINE_BYTES:
            item[BODY] = {"B": base64.b64encode(body).decode()}
        else:
            self._put(key, body)
        self._ask("PutItem", {"Item": item})

    def _put(self, key: str, body: bytes) -> None:
        try:
            self.s3.request("PUT", f"/{ANSWERS_PREFIX}{key}", {}, body, attempts=1).read()
        except (AwsRefused, AwsUnavailable, *TRANSIENT) as error:
            raise CacheFailed(f"S3 did not take an answer: {error}") from error

    def _ask(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        headers = {
            "content-type": "application/x-amz-json-1.0",
            "x-amz-target": f"DynamoDB_20120810.{operation}",
        }
        body = json.dumps({"TableName": self.table, **request}).encode()
        try:
            answered = self.dynamodb.request("POST", "/", headers, body, attempts=1).read()
        except (AwsRefused, AwsUnavailable, *TRANSIENT) as error:
            raise CacheFailed(f"{operation} failed: {error}") from error
        found: dict[str, Any] = json.loads(answered)
        return found
