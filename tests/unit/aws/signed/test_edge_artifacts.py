"""Downloads of ``infer`` and ``golden``: pinned where they can be, verified always."""

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from serval.aws.signed.client import AwsRefused, AwsUnavailable
from serval.aws.signed.edge import EdgeArtifacts
from serval.errors import ArtifactUnavailable
from tests.fakes.inference import plus, signature, version_record

BODY = plus(1)
RECORD = version_record("iris", "7", BODY, signature("FP32", (-1, 2)))


@dataclass
class Failing:
    """Stands for the signed client when a request fails."""

    error: Exception

    def request(self, *_: Any, **__: Any) -> io.BytesIO:
        raise self.error


@dataclass
class Bucket:
    """Stands for the signed client: gives a body, and remembers what was asked for."""

    body: bytes
    asked: list[tuple[str, str]] = field(default_factory=list)

    def request(self, method: str, path: str, headers: Any, *, query: str) -> io.BytesIO:
        self.asked.append((path, query))
        return io.BytesIO(self.body)


def test_a_published_file_is_read_by_its_key(tmp_path: Path) -> None:
    bucket = Bucket(BODY)
    EdgeArtifacts(bucket).fetch(RECORD, "model.onnx", tmp_path / "model.onnx")  # type: ignore[arg-type]
    assert bucket.asked == [("/models/iris/7/model.onnx", "")]
    assert (tmp_path / "model.onnx").read_bytes() == BODY


def test_a_file_elsewhere_is_pinned_to_its_version(tmp_path: Path) -> None:
    bucket = Bucket(BODY)
    store = EdgeArtifacts(bucket, lambda record, path: (f"incoming/{path}", "3/L4kq+t"))  # type: ignore[arg-type]
    store.fetch(RECORD, "model.onnx", tmp_path / "model.onnx")
    assert bucket.asked == [("/incoming/model.onnx", "versionId=3%2FL4kq%2Bt")]


def test_other_bytes_are_never_given(tmp_path: Path) -> None:
    with pytest.raises(ArtifactUnavailable, match="published was"):
        EdgeArtifacts(Bucket(b"other")).fetch(RECORD, "model.onnx", tmp_path / "m")  # type: ignore[arg-type]
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    ("client", "lost"),
    [
        (Bucket(b"other"), True),
        (Failing(AwsRefused(404, b"NoSuchKey")), True),
        (Failing(AwsUnavailable("s3 did not answer")), False),
        (Failing(TimeoutError("timed out")), False),
    ],
    ids=["other bytes", "gone", "no answer", "cut short"],
)
def test_what_is_lost_is_told_from_what_is_only_out_of_reach(
    tmp_path: Path, client: Any, lost: bool
) -> None:
    with pytest.raises(ArtifactUnavailable) as raised:
        EdgeArtifacts(client).fetch(RECORD, "model.onnx", tmp_path / "m")
    assert raised.value.lost is lost
