"""Downloads of ``infer`` and ``golden``: pinned where they can be, verified always."""

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from serval.aws.edge import EdgeArtifacts
from serval.errors import ArtifactUnavailable
from tests.fakes.inference import plus, signature, version_record

BODY = plus(1)
RECORD = version_record("iris", "7", BODY, signature("FP32", (-1, 2)))


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
