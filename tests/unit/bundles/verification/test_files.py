"""The checks of a bundle's files on disk."""

import os
from hashlib import sha256
from pathlib import Path

import pytest

from serval.bundles.verification.files import file_reasons, pickle_reasons, sha256_of
from serval.models.version import BundleFile


@pytest.fixture
def file(tmp_path: Path) -> BundleFile:
    (tmp_path / "weights.bin").write_bytes(b"weights")
    return BundleFile("weights.bin", sha256(b"weights").hexdigest(), 7)


def test_a_plain_file_as_listed_is_right(tmp_path: Path, file: BundleFile):
    assert file_reasons(tmp_path, [file]) == []
    assert sha256_of(tmp_path / "weights.bin") == file.sha256


def test_a_missing_file_is_named(tmp_path: Path):
    missing = [BundleFile("gone.bin", "0" * 64, 1), BundleFile("a/gone.bin", "0" * 64, 1)]

    assert file_reasons(tmp_path, missing) == [
        "gone.bin is named by manifest.json, but was not uploaded",
        "a/gone.bin is named by manifest.json, but was not uploaded",
    ]


def test_a_file_in_place_of_a_folder_is_named(tmp_path: Path, file: BundleFile):
    inside = BundleFile("weights.bin/x", "0" * 64, 1)

    assert file_reasons(tmp_path, [inside]) == ["weights.bin/x: a folder of that path is a file"]


def test_another_size_is_named(tmp_path: Path, file: BundleFile):
    (tmp_path / "weights.bin").write_bytes(b"longer weights")

    (found,) = file_reasons(tmp_path, [file])
    assert found.startswith("weights.bin has 14 bytes, manifest.json says 7: upload it again")


def test_other_bytes_are_named(tmp_path: Path, file: BundleFile):
    (tmp_path / "weights.bin").write_bytes(b"changed")

    (found,) = file_reasons(tmp_path, [file])
    assert found.startswith(f"weights.bin has sha256 {sha256(b'changed').hexdigest()}, manifest")


def test_a_symbolic_link_is_refused(tmp_path: Path, file: BundleFile):
    (tmp_path / "link.bin").symlink_to(tmp_path / "weights.bin")

    (found,) = file_reasons(tmp_path, [BundleFile("link.bin", file.sha256, 7)])
    assert found.startswith("link.bin is a link or not a plain file")


def test_a_hard_link_is_refused(tmp_path: Path, file: BundleFile):
    os.link(tmp_path / "weights.bin", tmp_path / "twin.bin")

    (found,) = file_reasons(tmp_path, [file])
    assert found.startswith("weights.bin is a hard link")


@pytest.mark.parametrize("name", ["m.pkl", "m.joblib", "m.pt", "a/m.PTH", "m.pickle", "m.ckpt"])
def test_a_pickle_is_refused_by_its_name(name: str):
    (found,) = pickle_reasons(["model.onnx", name])

    assert found.startswith(f"{name} is a pickle: loading it could run code; export the model")
