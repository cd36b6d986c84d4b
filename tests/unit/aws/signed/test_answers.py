"""Kept answers: what AWS does not do is a failure of the cache, which its callers live with."""

import io
import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from serval.aws.signed.answers import INLINE_BYTES, SignedAnswers
from serval.aws.signed.client import AwsRefused, AwsUnavailable
from serval.inference.kept_answers import CacheFailed

LARGE = {"Item": {"key": {"S": "k"}, "written": {"N": "5"}}}


@dataclass
class Answering:
    """Stands for a signed client: answers, or fails."""

    answer: bytes = b"{}"
    error: Exception | None = None
    asked: list[str] = field(default_factory=list)

    def request(
        self, method: str, path: str, headers: Any, body: bytes = b"", attempts: int = 3
    ) -> io.BytesIO:
        self.asked.append(f"{method} {path} {headers.get('x-amz-target', '')}".strip())
        assert attempts == 1
        if self.error:
            raise self.error
        return io.BytesIO(self.answer)


def answers(dynamodb: Answering, s3: Answering) -> SignedAnswers:
    return SignedAnswers("answers", dynamodb, s3)  # type: ignore[arg-type]


ERRORS = (
    AwsRefused(403, b"<Code>AccessDenied</Code>"),
    AwsUnavailable("it did not answer"),
    TimeoutError("timed out"),
)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_a_failure_of_either_store_is_the_caches(error: Exception) -> None:
    large = Answering(json.dumps(LARGE).encode())
    with pytest.raises(CacheFailed, match="GetItem failed"):
        answers(Answering(error=error), Answering()).find("k", 0)
    with pytest.raises(CacheFailed, match="S3"):
        answers(large, Answering(error=error)).find("k", 0)
    with pytest.raises(CacheFailed, match="PutItem failed"):
        answers(Answering(error=error), Answering()).keep("k", b"", 1)
    with pytest.raises(CacheFailed, match="S3"):
        answers(large, Answering(error=error)).keep("k", bytes(INLINE_BYTES + 1), 1)


def test_an_item_leads_to_an_object_that_is_there() -> None:
    dynamodb, s3 = Answering(), Answering(error=TimeoutError())
    with pytest.raises(CacheFailed):
        answers(dynamodb, s3).keep("k", bytes(INLINE_BYTES + 1), 1)
    assert (dynamodb.asked, s3.asked) == ([], ["PUT /cache/k"])


def test_an_object_that_is_gone_is_no_failure() -> None:
    gone = Answering(error=AwsRefused(404, b"<Code>NoSuchKey</Code>"))
    assert answers(Answering(json.dumps(LARGE).encode()), gone).find("k", 0) is None
