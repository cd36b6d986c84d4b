"""The folder of an inference server: what is handed over, and what goes when there is no room."""

import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from serval.errors import ArtifactUnavailable
from serval.models.signature import Signature
from serval.models.version import BundleFile, ModelVersion
from serval.worker.program.server_folder import ServerFolder, size_bytes
from tests.fakes.inference import version_record
from tests.fakes.served import tar

SIGNATURE = Signature((), ())


class User:
    """What runs a version."""


def record(version: str, path: str = "w.bin", size: int = 400) -> ModelVersion:
    plain = version_record("served", version, b"", SIGNATURE)
    files = (BundleFile(path, "0" * 64, size),)
    return replace(plain, artifact=path, artifact_files=(path,), files=files)


def write(data: bytes, path: str, destination: Path) -> None:
    destination.write_bytes(data)


FETCH = partial(write, b"w" * 400)


@pytest.fixture
def folder(tmp_path: Path) -> ServerFolder:
    return ServerFolder(tmp_path / "models", 1000)


def versions(folder: ServerFolder) -> list[str]:
    return sorted(path.name for path in folder.folder.glob("*/*"))


def test_the_version_that_was_not_used_for_longest_goes(folder: ServerFolder) -> None:
    gone: list[Any] = []
    folder.let_go = lambda *key: gone.append(key)
    for version in ("1", "2", "1", "3"):
        folder.hand_over(record(version), FETCH)
    assert versions(folder) == ["1", "3"]
    assert gone == [("served", "2")]


def test_as_many_go_as_need_to_and_bytes_never_pass_the_limit(folder: ServerFolder) -> None:
    for version in ("1", "2"):
        folder.hand_over(record(version), FETCH)
    folder.hand_over(record("3", size=900), partial(write, b"w" * 900))
    assert versions(folder) == ["3"]
    for number in range(4, 60):
        folder.hand_over(record(str(number)), FETCH)
        assert size_bytes(folder.folder) <= 1000


def test_a_version_that_somebody_holds_stays(folder: ServerFolder) -> None:
    first, second = User(), User()
    for version, user in (("1", first), ("2", second)):
        folder.hand_over(record(version), FETCH)
        folder.note_user(record(version), user)  # type: ignore[arg-type]
    with pytest.raises(ArtifactUnavailable, match="and 800 of them are in use") as refused:
        folder.hand_over(record("3"), FETCH)
    assert not refused.value.lost
    del second, user
    folder.hand_over(record("3"), FETCH)
    assert versions(folder) == ["1", "3"]


@pytest.mark.parametrize(
    ("paths", "places"),
    [
        (["m/w.bin", "m/a/c.json"], ["a/c.json", "w.bin"]),
        (["m/w.bin", "c.json"], ["c.json", "m/w.bin"]),
        (["w.bin", "m/c.json"], ["m/c.json", "w.bin"]),
    ],
)
def test_the_artifacts_own_folder_is_the_versions(
    folder: ServerFolder, paths: list[str], places: list[str]
) -> None:
    files = tuple(BundleFile(path, "0" * 64, 4) for path in paths)
    several = replace(record("1", paths[0]), artifact_files=tuple(paths), files=files)

    folder.hand_over(several, FETCH)

    (version,) = folder.folder.glob("*/1")
    found = [p.relative_to(version).as_posix() for p in version.rglob("*") if p.is_file()]
    assert sorted(found) == places


def test_an_archive_has_room_made_for_what_is_in_it(folder: ServerFolder) -> None:
    folder.hand_over(record("1"), FETCH)
    folder.limit_bytes = 20_000
    packed = tar([("a/w.bin", b"w" * 9_500)], compressed=True)
    folder.hand_over(record("2", "m.tgz", len(packed)), partial(write, packed))
    assert size_bytes(folder.folder) == 9_900
    folder.limit_bytes = 9_510
    with pytest.raises(ArtifactUnavailable):
        folder.hand_over(record("3", "m.tgz", len(packed)), partial(write, packed))
    assert versions(folder) == ["3.partial"]
    folder.limit_bytes = 20_000
    folder.hand_over(record("3", "m.tgz", len(packed)), partial(write, packed))
    assert versions(folder) == ["3"]


def test_what_an_earlier_worker_has_left_counts(tmp_path: Path) -> None:
    for order, name in enumerate(("7", "4", "9.partial")):
        left = tmp_path / f"served-{name.removesuffix('.partial')}" / name
        left.mkdir(parents=True)
        (left / "w.bin").write_bytes(b"w" * 400)
        os.utime(left, (order, order))
    folder = ServerFolder(tmp_path, 1000)
    assert versions(folder) == ["4", "7"]
    folder.hand_over(record("5"), FETCH)
    assert versions(folder) == ["4", "5"]


SETTINGS = b"""
# name: "in a comment"
name: "theirs", backend: "onnxruntime"
input [ { name: "x" data_type: TYPE_FP32 dims: [ 2 ] } ]
output { name: 'y' }
parameters { key: "text {" value { string_value: "name: \\"z\\"" } }
"""


def test_tritons_settings_lie_beside_the_version_without_the_name_that_they_give(
    folder: ServerFolder,
) -> None:
    folder.hand_over(record("1", "config.pbtxt"), partial(write, SETTINGS))
    settings = folder.folder / "served-1" / "config.pbtxt"
    assert settings.read_text() == SETTINGS.decode().replace('name: "theirs",', "")
    assert list(settings.with_name("1").iterdir()) == []


def test_a_version_that_is_let_go_leaves_its_files(folder: ServerFolder) -> None:
    released: list[Any] = []
    folder.released = lambda *key: released.append(key)
    user = User()
    folder.hand_over(record("1"), FETCH)
    folder.note_user(record("1"), user)  # type: ignore[arg-type]
    assert not folder.release(("served", "1"))
    del user
    assert folder.release(("served", "1"))
    assert (released, versions(folder)) == ([("served", "1")], ["1"])
