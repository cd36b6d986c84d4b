"""verification/archives.py: an archive is known to be harmless before anybody unpacks it."""

import gzip
import tarfile
from pathlib import Path

import pytest

from serval.bundles.verification import archives
from serval.bundles.verification.archives import archive_reasons
from tests.fakes.served import headed, special, tar

MEBIBYTE = 2**20


def reasons(folder: Path, archive: bytes, name: str = "weights.tar") -> list[str]:
    (folder / name).write_bytes(archive)
    return archive_reasons(folder, [name, "model.yaml"])


@pytest.mark.parametrize("name", ["weights.tar", "weights.tar.gz", "WEIGHTS.TGZ"])
def test_files_and_folders_are_fine_however_they_were_packed(tmp_path: Path, name: str):
    members = [
        special(".", tarfile.DIRTYPE),
        special("./1", tarfile.DIRTYPE),
        ("./1/weights.bin", b"w" * 1000),
        ("config.json", b"{}"),
        (f"{'deep/' * 30}model.neuron", b"\x00 as weights are"),
    ]

    assert reasons(tmp_path, tar(members, compressed=name != "weights.tar"), name) == []


def test_files_of_other_names_are_not_opened(tmp_path: Path):
    assert archive_reasons(tmp_path, ["model.safetensors", "tar"]) == []


@pytest.mark.parametrize(
    ("member", "problem"),
    [
        (special("latest", tarfile.SYMTYPE, "1"), "is a link; archives hold plain files"),
        (special("twin", tarfile.LNKTYPE, "weights.bin"), "is a link; archives hold plain files"),
        (special("null", tarfile.CHRTYPE), "is a device or a pipe; archives hold plain files"),
        (special("pipe", tarfile.FIFOTYPE), "is a device or a pipe; archives hold plain files"),
        (("../outside", b"x"), ": expected a path inside the bundle: relative and without '..'"),
        (("/etc/passwd", b"x"), ": expected a path inside the bundle: relative and without '..'"),
        (("a/./b", b"x"), ": expected a plain path, as 'a/b'"),
        (("a\\b", b"x"), ": expected forward slashes, no backslash"),
        (("scaler.pkl", b"x"), " is a pickle by its name (traced TorchScript is called"),
        (("nested/model.PT", b"x"), " is a pickle by its name (traced TorchScript is called"),
    ],
    ids=lambda value: getattr(value, "name", None) or str(value)[:30],
)
def test_a_member_that_may_do_harm_is_named(
    tmp_path: Path, member: tuple[str, bytes] | tarfile.TarInfo, problem: str
):
    name = member.name if isinstance(member, tarfile.TarInfo) else member[0]

    (found,) = reasons(tmp_path, tar([("weights.bin", b"w"), member]))

    assert found.startswith(f"weights.tar: member {name!r}")
    assert problem in found


def test_ten_bad_members_are_enough(tmp_path: Path):
    links = [special(f"l{n}", tarfile.SYMTYPE, "x") for n in range(50)]

    assert len(reasons(tmp_path, tar(links))) == 10


def test_members_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(archives, "LIMIT_MEMBERS", 3)

    assert reasons(tmp_path, tar([(f"f{n}", b"x" * 600) for n in range(3)])) == []
    assert reasons(tmp_path, tar([(f"f{n}", b"x" * 600) for n in range(4)])) == [
        "weights.tar has more than 3 members, with the bundle's archives before it"
    ]


def test_the_archives_of_a_bundle_are_counted_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "a.tar").write_bytes(tar([("w", b"x" * 700)]))
    (tmp_path / "b.tar").write_bytes(tar([("v", b"x" * 700), ("u", b"x")]))
    both = "with the bundle's archives before it"

    monkeypatch.setattr(archives, "LIMIT_UNPACKED_BYTES", 1000)
    assert archive_reasons(tmp_path, ["a.tar", "b.tar"]) == [
        f"b.tar unpacks to more than 1000 bytes, {both}"
    ]
    monkeypatch.setattr(archives, "LIMIT_UNPACKED_BYTES", 10_000)
    monkeypatch.setattr(archives, "LIMIT_MEMBERS", 2)
    assert archive_reasons(tmp_path, ["a.tar", "b.tar"]) == [
        f"b.tar has more than 2 members, {both}"
    ]


def test_unpacked_bytes_are_counted_before_they_are_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(archives, "LIMIT_UNPACKED_BYTES", 1000)
    cut = tar([("w", b"x" * 1001)])[: tarfile.BLOCKSIZE]

    assert reasons(tmp_path, tar([("w", b"x" * 1000)])) == []
    assert reasons(tmp_path, cut) == [
        "weights.tar unpacks to more than 1000 bytes, with the bundle's archives before it"
    ]


def test_a_bomb_is_not_unpacked(tmp_path: Path):
    bomb = tar([("zeros", bytes(4 * MEBIBYTE))], compressed=True)

    (found,) = reasons(tmp_path, bomb, "weights.tgz")

    assert found == (
        f"weights.tgz has {len(bomb)} bytes and unpacks to more than 100 times as many, as weights "
        "never do"
    )


def test_headers_are_not_read_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(archives.Headers, "__init__", limited(100_000))
    long = gzip.compress(tar([headed("w", comment="c" * 200_000)]))

    (found,) = reasons(tmp_path, long, "weights.tgz")

    assert "its headers have more than" in found


def limited(left: int):
    def start(self: archives.Headers, file: object) -> None:
        self.file, self.left_bytes = file, left  # type: ignore[assignment]

    return start


@pytest.mark.parametrize(
    ("archive", "name", "kind"),
    [
        (b"no archive", "weights.tar", "a tar archive"),
        (b"no archive", "weights.tgz", "a gzipped tar archive"),
        (tar([("w", b"x" * 5000)], compressed=True), "weights.tar", "a tar archive"),
        (tar([("w", b"x" * 5000)], compressed=True)[:-50], "weights.tgz", "a gzipped tar archive"),
        (tar([("w", b"x" * 5000), ("v", b"")])[:3000], "weights.tar", "a tar archive"),
    ],
)
def test_what_cannot_be_read_is_refused(tmp_path: Path, archive: bytes, name: str, kind: str):
    (found,) = reasons(tmp_path, archive, name)

    assert found.startswith(f"{name} is not {kind} that can be read: ")
    assert found.endswith("; pack it again")


def test_an_archive_that_leads_back_to_where_it_was_ends(tmp_path: Path):
    """A member's size is negative, so that the next one is the same again."""
    circle = tar([("first", b"1"), headed("again", size="-1536")])

    (found,) = reasons(tmp_path, circle)

    assert found in (
        "weights.tar has more than 10000 members, with the bundle's archives before it",
        "weights.tar is not a tar archive that can be read: invalid header; pack it again",
    )
