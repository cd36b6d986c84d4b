"""Read the members of zip archives, which PyTorch, numpy and Keras write, without unpacking."""

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from serval.bundles.verification.pickles import is_harmless
from serval.foreign import refusing

ZIP_MAGIC = b"PK\x03\x04"
LIMIT_MEMBERS = 20_000
LIMIT_DIRECTORY_BYTES = 32 * 2**20
"""The most to read at once, which is the list of members."""
HEAD_BYTES = 65_536
"""How much of a member, or of a file, is read to recognise it."""
LIMIT_PICKLE_BYTES = 16 * 2**20


class UnreadableZip(Exception):
    """The members of an archive cannot be read."""


@dataclass(slots=True)
class FileSection:
    """A part of a file, as a file that limits how much is read at once."""

    file: IO[bytes]
    start: int
    size: int
    at: int = 0

    def read(self, size: int = -1) -> bytes:
        """Read some bytes."""
        wanted = min(self.size - self.at if size < 0 else size, self.size - self.at)
        if wanted > LIMIT_DIRECTORY_BYTES:
            raise UnreadableZip(f"{wanted} bytes at once, at most {LIMIT_DIRECTORY_BYTES} allowed")
        self.file.seek(self.start + self.at)
        found = self.file.read(max(0, wanted))
        self.at += len(found)
        return found

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to another position."""
        begin = {io.SEEK_SET: 0, io.SEEK_CUR: self.at, io.SEEK_END: self.size}[whence]
        if begin + offset < 0:
            raise OSError("before the beginning")
        self.at = begin + offset
        return self.at

    def tell(self) -> int:
        """Return the position."""
        return self.at

    def seekable(self) -> bool:
        """Return True."""
        return True


def zip_members(file: IO[bytes]) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the first bytes of each member, except TorchScript's own code.

    Raises
    ------
    UnreadableZip
        If the archive is damaged or over a limit.
    """
    with refusing(UnreadableZip):
        archive = zipfile.ZipFile(file)
        members = archive.infolist()
        if len(members) > LIMIT_MEMBERS:
            raise UnreadableZip(f"{len(members)} members, at most {LIMIT_MEMBERS} allowed")
        script = _is_torchscript({member.filename for member in members})
        for member in members:
            if not member.is_dir() and not (script and _is_part_of_torchscript(archive, member)):
                with archive.open(member) as opened:
                    yield member.filename, opened.read(HEAD_BYTES)


def _is_torchscript(names: set[str]) -> bool:
    """Whether every version of PyTorch would read the archive as TorchScript."""
    return any(name.partition("/")[2] == "constants.pkl" for name in names) and any(
        name.partition("/")[2].startswith("code/") for name in names
    )


def _is_part_of_torchscript(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bool:
    """Whether a member is TorchScript's code, or a pickle whose reader imports nothing."""
    path = member.filename.partition("/")[2]
    if path.startswith("code/"):
        return path.endswith((".py", ".debug_pkl"))
    if path not in ("data.pkl", "constants.pkl") or member.file_size > LIMIT_PICKLE_BYTES:
        return False
    with archive.open(member) as opened:
        return is_harmless(opened.read(LIMIT_PICKLE_BYTES))
