"""Zip archives, looked into without unpacking: PyTorch, numpy and Keras write their files so."""

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from serval.bundles.verification.pickles import harmless
from serval.foreign import refusing

ZIP_MAGIC = b"PK\x03\x04"
LIMIT_MEMBERS = 20_000
LIMIT_DIRECTORY_BYTES = 32 * 2**20
"""Of what is read at once: the list of members."""
LOOKED_AT_BYTES = 65_536
LIMIT_PICKLE_BYTES = 16 * 2**20


class Unseen(Exception):
    """What an archive holds cannot be told."""


@dataclass(slots=True)
class FileSection:
    """A part of a file, as a file; little of it is read at once, whatever it says of itself."""

    file: IO[bytes]
    start: int
    size: int
    at: int = 0

    def read(self, size: int = -1) -> bytes:
        """Read some bytes."""
        wanted = min(self.size - self.at if size < 0 else size, self.size - self.at)
        if wanted > LIMIT_DIRECTORY_BYTES:
            raise Unseen(f"{wanted} bytes at once, at most {LIMIT_DIRECTORY_BYTES} allowed")
        self.file.seek(self.start + self.at)
        found = self.file.read(max(0, wanted))
        self.at += len(found)
        return found

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go somewhere else."""
        begin = {io.SEEK_SET: 0, io.SEEK_CUR: self.at, io.SEEK_END: self.size}[whence]
        if begin + offset < 0:
            raise OSError("before the beginning")
        self.at = begin + offset
        return self.at

    def tell(self) -> int:
        """Tell where it is."""
        return self.at

    def seekable(self) -> bool:
        """Tell that it can go anywhere."""
        return True


def zipped(file: IO[bytes]) -> Iterator[tuple[str, bytes]]:
    """Give the name and the first bytes of each member; TorchScript's own code is left out.

    Raises
    ------
    Unseen
        If they cannot be told.
    """
    with refusing(Unseen):
        archive = zipfile.ZipFile(file)
        members = archive.infolist()
        if len(members) > LIMIT_MEMBERS:
            raise Unseen(f"{len(members)} members, at most {LIMIT_MEMBERS} allowed")
        script = _is_torchscript({member.filename for member in members})
        for member in members:
            if not member.is_dir() and not (script and _own(archive, member)):
                with archive.open(member) as opened:
                    yield member.filename, opened.read(LOOKED_AT_BYTES)


def _is_torchscript(names: set[str]) -> bool:
    """Tell what every version of PyTorch takes for TorchScript, whatever else it has."""
    return any(name.partition("/")[2] == "constants.pkl" for name in names) and any(
        name.partition("/")[2].startswith("code/") for name in names
    )


def _own(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bool:
    """Tell whether a member is TorchScript's code, or a pickle whose reader imports nothing."""
    path = member.filename.partition("/")[2]
    if path.startswith("code/"):
        return path.endswith((".py", ".debug_pkl"))
    if path not in ("data.pkl", "constants.pkl") or member.file_size > LIMIT_PICKLE_BYTES:
        return False
    with archive.open(member) as opened:
        return harmless(opened.read(LIMIT_PICKLE_BYTES))
