"""Calls of SageMaker's asynchronous inference: what is stored of one, and where its answer goes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

S3 = "s3://"


def input_prefix(model: str) -> str:
    """Return the prefix of the data bucket under which callers put the inputs of a model."""
    return f"async/in/{model}/"


@dataclass(frozen=True, slots=True)
class OutputPlace:
    """Where the answer of a call goes: the ``callback_url`` of its request."""

    bucket: str
    stem: str
    """The keys of its objects, without their suffixes."""

    @classmethod
    def of_call(cls, bucket: str, model: str, call_id: str) -> Self:
        """Choose the place of a call."""
        return cls(bucket, f"async/out/{model}/{call_id}")

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Read what ``output_url`` wrote."""
        bucket, _, key = url.removeprefix(S3).partition("/")
        return cls(bucket, key.removesuffix(".out"))

    @property
    def call_key(self) -> str:
        """The key of the call as it was made."""
        return f"{self.stem}.call"

    @property
    def output_key(self) -> str:
        """The key of its answer."""
        return f"{self.stem}.out"

    @property
    def failure_key(self) -> str:
        """The key of what went wrong."""
        return f"{self.stem}.error"

    @property
    def output_url(self) -> str:
        """The URL of its answer."""
        return f"{S3}{self.bucket}/{self.output_key}"

    @property
    def failure_url(self) -> str:
        """The URL of what went wrong."""
        return f"{S3}{self.bucket}/{self.failure_key}"


@dataclass(frozen=True, slots=True)
class AsyncInvocation:
    """A call as it was made, by which its answer is written."""

    headers: Mapping[str, str]
    """Those of ``InvokeEndpoint`` that say what the body is and what is accepted."""
    body: bytes

    def to_bytes(self) -> bytes:
        """Write a line of JSON, and the body after it."""
        return json.dumps(dict(self.headers)).encode() + b"\n" + self.body

    @classmethod
    def from_bytes(cls, stored: bytes) -> Self:
        """Read what ``to_bytes`` wrote."""
        head, _, body = stored.partition(b"\n")
        return cls(json.loads(head), body)
