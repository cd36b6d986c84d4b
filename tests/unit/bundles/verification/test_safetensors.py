"""Safetensors: a header that fits its file, and every file that an index names."""

import json
from pathlib import Path
from typing import Any

import pytest

from serval.bundles.verification import safetensors
from serval.bundles.verification.safetensors import safetensors_reasons

INDEX = "model/model.safetensors.index.json"


def weights(header: Any, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    size = len(text) if length is None else length
    return size.to_bytes(8, "little") + text + data


def tensor(*offsets: Any) -> dict[str, Any]:
    return {"dtype": "U8", "shape": [4], "data_offsets": list(offsets)}


WHOLE = weights({"__metadata__": {"format": "pt"}, "a": tensor(0, 4), "b": tensor(4, 8)}, b"w" * 8)


def reasons(folder: Path, files: dict[str, bytes]) -> list[str]:
    for path, body in files.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_bytes(body)
    return safetensors_reasons(folder, files.keys())


def test_whole_files_and_their_index_pass(tmp_path: Path):
    index = json.dumps({"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}}).encode()
    files = {"model/one.safetensors": WHOLE, "model/two.safetensors": weights({}), INDEX: index}

    assert reasons(tmp_path, files) == []


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (WHOLE[:-1], "is not whole: its header tells of 8 bytes of tensors, and 7 are there"),
        (WHOLE + b"w", "is not whole: its header tells of 8 bytes of tensors, and 9 are there"),
        (WHOLE[:60], "is not safetensors: a header of "),
        (b"", "is not safetensors: a header of 0 bytes in a file of 0"),
        (weights(b"{}", length=2**40), "is not safetensors: a header of 1099511627776 bytes"),
        (weights(b"{a}"), "is not safetensors: its header is not JSON: "),
        (weights(b"[[[[" * 9_000), "is not safetensors: its header is not JSON: nested too deeply"),
        (weights([1, 2]), "is not safetensors: its header is not a JSON object"),
        (weights({"a": tensor(0, "4")}, b"w" * 4), "is not whole: "),
        (weights({"a": tensor(0)}, b"w" * 4), "is not whole: "),
        (weights({"a": 7}, b"w" * 4), "is not whole: "),
    ],
)
def test_a_file_that_is_not_whole_is_refused(tmp_path: Path, body: bytes, reason: str):
    (found,) = reasons(tmp_path, {"w.safetensors": body})

    assert found.startswith(f"w.safetensors {reason}")


@pytest.mark.parametrize(
    ("index", "reason"),
    [
        (b"{", "is not JSON: "),
        (b"[]", "is not a JSON object"),
        (b"{}", "has no 'weight_map'"),
        (b'{"weight_map": {"a": "gone.safetensors"}}', "names model/gone.safetensors, which is"),
        (b'{"weight_map": {"a": 7}}', "names model/7, which is not in the bundle"),
    ],
)
def test_an_index_that_leads_nowhere_is_refused(tmp_path: Path, index: bytes, reason: str):
    (found,) = reasons(tmp_path, {INDEX: index})

    assert found.startswith(f"{INDEX} {reason}")


def test_an_index_past_its_limit_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(safetensors, "LIMIT_INDEX_BYTES", 10)

    (found,) = reasons(tmp_path, {INDEX: b" " * 11})

    assert found == f"{INDEX} has 11 bytes, at most 10 allowed"
