"""serval_cli/bundle/upload.py: a bundle's files to ``incoming/``, the manifest last."""

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import ClientError

from serval.bundles.manifest import Manifest
from serval.models.storage import UPLOAD_ID
from serval.models.version import BundleFile
from serval_cli.bundle.upload import Advance, Bucket, new_upload_id, upload


@dataclass
class InMemoryIncoming:
    stored: dict[str, bytes] = field(default_factory=dict)

    def put_file(self, path: Path, key: str, advance: Advance) -> None:
        self.stored[key] = path.read_bytes()
        advance(path.stat().st_size)

    def put_text(self, text: str, key: str) -> None:
        self.stored[key] = text.encode()


def test_the_manifest_goes_last(tmp_path: Path) -> None:
    incoming, sent = InMemoryIncoming(), list[int]()
    for name in ("model.yaml", "z.onnx"):
        (tmp_path / name).write_text(name)
    manifest = Manifest(
        "tiny", (BundleFile("model.yaml", "0" * 64, 10), BundleFile("z.onnx", "0" * 64, 6))
    )

    upload(tmp_path, manifest, "u1", incoming, sent.append)

    prefix = "incoming/tiny/u1/"
    assert list(incoming.stored) == [
        prefix + "model.yaml",
        prefix + "z.onnx",
        prefix + "manifest.json",
    ]
    assert json.loads(incoming.stored[prefix + "manifest.json"])["model"] == "tiny"
    assert sum(sent) == 16


def test_upload_ids_sort_by_time_and_differ() -> None:
    def noon() -> datetime:
        return datetime(2026, 11, 21, 10, 15, tzinfo=UTC)

    first, second = new_upload_id(noon), new_upload_id(noon)
    assert re.fullmatch(r"20261121T101500Z-[0-9a-f]{6}", first)
    assert UPLOAD_ID.fullmatch(first)
    assert first != second


class RefusingClient:
    def upload_file(self, *_: Any, **__: Any) -> None:
        try:
            raise ClientError({"Error": {"Code": "AccessDenied"}}, "PutObject")
        except ClientError as error:
            raise S3UploadFailedError(f"Failed to upload: {error}") from error


def test_a_failed_upload_raises_what_s3_answered(tmp_path: Path) -> None:
    client: Any = RefusingClient()
    with pytest.raises(ClientError, match="AccessDenied"):
        Bucket(client, "b").put_file(tmp_path / "f", "k", lambda _: None)
