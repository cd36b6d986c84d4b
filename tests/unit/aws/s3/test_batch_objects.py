"""Reads of inputs from S3 when connections break, and what is said of what may not be read."""

import io
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from serval.aws.s3.batch_objects import READ_ATTEMPTS, S3Objects
from serval.batch.job.keys import Address, Source
from serval.errors import BatchRefused

BODY = bytes(range(100))
SOURCE = Source("bucket", "in/rows.csv", len(BODY), '"etag"')


class Breaking(io.BytesIO):
    """A body whose connection breaks after some bytes."""

    def __init__(self, body: bytes, good: int) -> None:
        super().__init__(body)
        self.good = good

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() >= self.good:
            raise ReadTimeoutError(endpoint_url="https://bucket")
        return super().read(min(size or -1, self.good - self.tell()))


@dataclass
class Client:
    """``get_object`` of S3, whose connections carry so many bytes each."""

    carries: list[int]
    ranged: bool = True
    error: str = ""
    asked: list[str] = field(default_factory=list)

    def get_object(self, **request: Any) -> dict[str, Any]:
        if self.error:
            raise ClientError({"Error": {"Code": self.error}}, "GetObject")
        self.asked.append(request["Range"])
        first, last = map(int, request["Range"].removeprefix("bytes=").split("-"))
        body = BODY[first : last + 1] if self.ranged else BODY
        good = self.carries.pop(0) if self.carries else len(body) + 1
        answer: dict[str, Any] = {"Body": Breaking(body, good)}
        return answer | ({"ContentRange": f"bytes {first}-{last}/100"} if self.ranged else {})

    head_object = put_object = get_object


def read(client: Client, start: int = 10, end: int = 90) -> bytes:
    objects = S3Objects(client)  # type: ignore[arg-type]
    return b"".join(objects.read(SOURCE, start, end, 7))


def test_a_connection_that_breaks_is_taken_up_where_it_broke() -> None:
    client = Client([20, 0, 30])
    assert read(client) == BODY[10:90]
    assert client.asked == ["bytes=10-89", "bytes=30-89", "bytes=30-89", "bytes=60-89"]


def test_a_stream_that_gives_nothing_any_more_is_given_up() -> None:
    client = Client([20, *[0] * READ_ATTEMPTS])
    with pytest.raises(ReadTimeoutError):
        read(client)
    assert len(client.asked) == READ_ATTEMPTS


def test_a_server_that_sends_the_whole_object_is_understood() -> None:
    assert read(Client([], ranged=False)) == BODY[10:90]
    assert read(Client([], ranged=False), 0, 1) == BODY[:1]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("NoSuchKey", "s3://bucket/in/rows.csv is gone since the job was planned"),
        ("PreconditionFailed", "s3://bucket/in/rows.csv was changed since the job was planned"),
        ("AccessDenied", "s3://bucket/in/rows.csv: this stage may not touch it"),
    ],
)
def test_what_only_a_user_can_change_is_said_in_words(error: str, said: str) -> None:
    with pytest.raises(BatchRefused, match=said):
        read(Client([], error=error))


def test_any_other_error_stays_what_it_is() -> None:
    with pytest.raises(ClientError, match="SlowDown"):
        read(Client([], error="SlowDown"))
    objects = S3Objects(Client([], error="AccessDenied"))  # type: ignore[arg-type]
    with pytest.raises(BatchRefused, match="need a grant"):
        objects.find(Address("bucket", "in/rows.csv"))
    with pytest.raises(BatchRefused, match="need a grant"):
        objects.put(Address("bucket", "out/x"), b"")
