"""Answers that are kept: an item each in a table, and an object beside it if they are large.

DynamoDB charges a write by its KiB and S3 does not, but a hit in S3 waits for a second answer.
"""

import base64
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from serval.aws.signed.client import TRANSIENT, AwsRefused, AwsUnavailable, SignedClient
from serval.aws.signed.dynamodb import call_dynamodb
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
        with failing("S3 gave no answer"):
            try:
                return self.s3.request("GET", f"/{ANSWERS_PREFIX}{key}", {}, attempts=1).read()
            except AwsRefused as error:
                if error.status != NOT_FOUND:
                    raise
        return None

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
        with failing("S3 did not take an answer"):
            self.s3.request("PUT", f"/{ANSWERS_PREFIX}{key}", {}, body, attempts=1).read()

    def _ask(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        with failing(f"{operation} failed"):
            found: dict[str, Any] = call_dynamodb(
                self.dynamodb, operation, {"TableName": self.table, **request}, attempts=1
            )
        return found


@contextmanager
def failing(what: str) -> Iterator[None]:
    """Raise ``CacheFailed`` where AWS refuses, or does not answer."""
    try:
        yield
    except (AwsRefused, AwsUnavailable, *TRANSIENT) as error:
        raise CacheFailed(f"{what}: {error}") from error
