"""Kept answers in DynamoDB and S3, against an emulator of its own."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from serval.aws.signed.answers import EXPIRES, INLINE_BYTES, KEY, SignedAnswers
from serval.aws.signed.client import SignedClient
from serval.inference.kept_answers import CacheFailed
from serval.settings import Credentials
from serval_cli.local.aws_client import CONFIG, create_session
from tests.fakes.inference import Clock
from tests.fakes.tables import create_answers_table

BUCKET = "of-answers"
QUESTION = "iris/1/ab12"


@pytest.fixture
def table(dynamodb: Any) -> Iterator[Any]:
    table = create_answers_table(dynamodb, "answers")
    yield table
    table.delete()


@pytest.fixture
def s3(endpoint: str) -> Any:
    client = create_session().client("s3", endpoint_url=endpoint, config=CONFIG)
    client.create_bucket(Bucket=BUCKET)
    return client


@pytest.fixture
def answers(endpoint: str, table: Any, s3: Any) -> Iterator[SignedAnswers]:
    credentials = Credentials("test", "test")
    with (
        closing(SignedClient("dynamodb", "us-east-1", credentials, endpoint)) as dynamodb,
        closing(SignedClient("s3", "us-east-1", credentials, f"{endpoint}/{BUCKET}")) as bucket,
    ):
        yield SignedAnswers("answers", dynamodb, bucket, Clock())


@pytest.mark.parametrize("size", [0, 1, INLINE_BYTES, INLINE_BYTES + 1, 3_000_000])
def test_an_answer_comes_back_as_it_was(answers: SignedAnswers, s3: Any, size: int) -> None:
    body = bytes(range(256)) * (size // 256) + bytes(size % 256)
    assert answers.find(f"{QUESTION}{size}", 0) is None
    answers.keep(f"{QUESTION}{size}", body, 60)
    assert answers.find(f"{QUESTION}{size}", 0) == body
    found = s3.list_objects_v2(Bucket=BUCKET, Prefix=f"cache/{QUESTION}{size}")
    assert found["KeyCount"] == (size > INLINE_BYTES)


def test_an_answer_that_is_too_old_is_none(answers: SignedAnswers, table: Any) -> None:
    answers.keep(QUESTION, b"old", 60)
    assert answers.find(QUESTION, 1000.0) == b"old"
    assert answers.find(QUESTION, 1000.1) is None
    assert table.get_item(Key={KEY: QUESTION})["Item"][EXPIRES] == 1061
    answers.keep(QUESTION, b"new", 60)
    assert answers.find(QUESTION, 0) == b"new"


def test_an_item_whose_object_is_gone_has_no_answer(answers: SignedAnswers, s3: Any) -> None:
    answers.keep(QUESTION, bytes(INLINE_BYTES + 1), 60)
    s3.delete_object(Bucket=BUCKET, Key=f"cache/{QUESTION}")
    assert answers.find(QUESTION, 0) is None


def test_what_aws_refuses_is_a_failure_of_the_cache(answers: SignedAnswers, table: Any) -> None:
    lost = SignedAnswers("lost", answers.dynamodb, answers.s3)
    with pytest.raises(CacheFailed, match="GetItem failed: 400 ResourceNotFound"):
        lost.find(QUESTION, 0)
    with pytest.raises(CacheFailed, match="PutItem failed: 400 ResourceNotFound"):
        lost.keep(QUESTION, b"", 60)
