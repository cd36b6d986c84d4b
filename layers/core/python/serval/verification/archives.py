"""Archives of a bundle: what unpacking one would make is known to be harmless before anybody does.

Nothing is unpacked here, and nothing but headers is kept in memory, whatever the archive says.
"""

import gzip
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, cast

from serval.foreign import refusing
from serval.paths import check_path
from serval.verification.files import PICKLES

PLAIN = ".tar"
COMPRESSED = (".tar.gz", ".tgz")
LIMIT_MEMBERS = 10_000
LIMIT_UNPACKED_BYTES = 20 * 2**30
LIMIT_RATIO = 100
"""Unpacked bytes for each byte of the archive; weights are packed two or three to one."""
LIMIT_HEADER_BYTES = 64 * 2**20
LIMIT_REASONS = 10
NOWHERE = "/nowhere"
"""Where the data filter is told that the archive goes; it looks at names alone."""


class Unreadable(Exception):
    """The file is no archive, or a damaged one."""


class HeadersTooLong(ValueError):
    """What describes the members is longer than any honest archive's."""


@dataclass(slots=True)
class Headers:
    """A file of which only headers are read; what is passed over is never in memory."""

    file: IO[bytes]
    left_bytes: int = LIMIT_HEADER_BYTES

    def read(self, size: int) -> bytes:
        """Read a header."""
        self.left_bytes -= size
        if self.left_bytes < 0:
            raise HeadersTooLong(f"its headers have more than {LIMIT_HEADER_BYTES} bytes")
        return self.file.read(size)

    def seek(self, offset: int) -> int:
        """Pass over a member's bytes."""
        return self.file.seek(offset)

    def tell(self) -> int:
        """Tell where the next header is read."""
        return self.file.tell()


def archive_reasons(folder: Path, paths: Iterable[str]) -> list[str]:
    """Check every tar archive among the files of a bundle, known by its name."""
    return [
        f"{path}{reason}"
        for path in sorted(paths)
        if path.lower().endswith((PLAIN, *COMPRESSED))
        for reason in _reasons(folder / path)
    ]


def _reasons(path: Path) -> list[str]:
    found: list[str] = []
    kind = "a gzipped tar" if path.name.lower().endswith(COMPRESSED) else "a tar"
    try:
        with refusing(Unreadable), path.open("rb") as raw:
            for reason in _found(raw, path):
                found.append(reason)
                if len(found) == LIMIT_REASONS:
                    return found
    except Unreadable as said:
        found.append(f" is not {kind} archive that can be read: {said}; pack it again")
    return found


def _found(raw: IO[bytes], path: Path) -> Iterator[str]:
    """Go through the members; what is over a limit ends that before its bytes are passed over."""
    packed_bytes = path.stat().st_size
    compressed = path.name.lower().endswith(COMPRESSED)
    file = cast(IO[bytes], gzip.GzipFile(fileobj=raw)) if compressed else raw
    unpacked_bytes = 0
    with tarfile.open(fileobj=cast(IO[bytes], Headers(file)), mode="r:") as archive:
        for count, member in enumerate(archive, start=1):
            unpacked_bytes += max(0, member.size)
            if over := _over(count, unpacked_bytes, packed_bytes):
                yield over
                return
            yield from _member_reasons(member)


def _over(count: int, unpacked_bytes: int, packed_bytes: int) -> str | None:
    """Say which limit is passed."""
    if count > LIMIT_MEMBERS:
        return f" has more than {LIMIT_MEMBERS} members"
    if unpacked_bytes > LIMIT_UNPACKED_BYTES:
        return f" unpacks to more than {LIMIT_UNPACKED_BYTES} bytes"
    if unpacked_bytes > LIMIT_RATIO * packed_bytes:
        return (
            f" has {packed_bytes} bytes and unpacks to more than {LIMIT_RATIO} times as many, "
            "as weights never do"
        )
    return None


def _member_reasons(member: tarfile.TarInfo) -> Iterator[str]:
    name = member.name.removeprefix("./")
    if not (member.isreg() or member.isdir()):
        kind = "a link" if member.islnk() or member.issym() else "a device or a pipe"
        yield f": member {name!r:.200} is {kind}; archives hold plain files and folders only"
        return
    if name in (".", "") and member.isdir():
        return
    try:
        check_path(name)
        tarfile.data_filter(member, NOWHERE)
    except (ValueError, tarfile.FilterError) as problem:
        yield f": member {name!r:.200}: {problem}"
        return
    if PurePosixPath(name).suffix.lower() in PICKLES:
        yield (
            f": member {name!r:.200} is a pickle by its name: loading it could run code; traced "
            "TorchScript is called '….neuron', as optimum-neuron does"
        )
