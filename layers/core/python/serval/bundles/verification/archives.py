"""Archives of a bundle: what unpacking one would make is known to be harmless before anybody does.

Nothing is unpacked here, and nothing but headers is kept in memory, whatever the archive says.
Of each member the beginning is looked at, for code.
"""

import gzip
import io
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from serval.bundles.paths import check_path
from serval.bundles.verification.code import LOOKED_AT_BYTES, REMEDY, code_in
from serval.bundles.verification.zips import ZIP_MAGIC, FileSection
from serval.foreign import refusing

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


@dataclass(slots=True)
class Unpacked:
    """What unpacking the archives of one bundle makes, all of them together."""

    members: int = 0
    size_bytes: int = 0

    def over(self) -> str | None:
        """Say which limit is passed."""
        if self.members > LIMIT_MEMBERS:
            return f" has more than {LIMIT_MEMBERS} members, with the bundle's archives before it"
        if self.size_bytes > LIMIT_UNPACKED_BYTES:
            return (
                f" unpacks to more than {LIMIT_UNPACKED_BYTES} bytes, with the bundle's archives "
                "before it"
            )
        return None


def is_archive(path: str) -> bool:
    """Tell by its name whether a worker unpacks a file."""
    return path.lower().endswith((PLAIN, *COMPRESSED))


def archive_reasons(folder: Path, paths: Iterable[str], *, trusted: bool = False) -> list[str]:
    """Check every tar archive among the files of a bundle; ``trusted`` ones may hold code."""
    unpacked = Unpacked()
    return [
        f"{path}{reason}"
        for path in sorted(paths)
        if is_archive(path)
        for reason in _reasons(folder / path, unpacked, trusted)
    ]


def _reasons(path: Path, unpacked: Unpacked, trusted: bool) -> list[str]:
    found: list[str] = []
    kind = "a gzipped tar" if path.name.lower().endswith(COMPRESSED) else "a tar"
    try:
        with refusing(Unreadable), path.open("rb") as raw:
            for reason in _found(raw, path, unpacked, trusted):
                found.append(reason)
                if len(found) == LIMIT_REASONS:
                    return found
    except Unreadable as said:
        found.append(f" is not {kind} archive that can be read: {said}; pack it again")
    return found


def _found(raw: IO[bytes], path: Path, unpacked: Unpacked, trusted: bool) -> Iterator[str]:
    """Go through the members; what is over a limit ends that before its bytes are passed over."""
    packed_bytes = path.stat().st_size
    compressed = path.name.lower().endswith(COMPRESSED)
    file = cast(IO[bytes], gzip.GzipFile(fileobj=raw)) if compressed else raw
    before = unpacked.size_bytes
    with tarfile.open(fileobj=cast(IO[bytes], Headers(file)), mode="r:") as archive:
        for member in archive:
            unpacked.members += 1
            unpacked.size_bytes += max(0, member.size)
            if over := unpacked.over() or _too_dense(unpacked.size_bytes - before, packed_bytes):
                yield over
                return
            reasons = list(_member_reasons(member))
            yield from reasons
            if member.isreg() and not reasons and not trusted:
                yield from _code(member, file, compressed)


def _too_dense(unpacked_bytes: int, packed_bytes: int) -> str | None:
    if unpacked_bytes <= LIMIT_RATIO * packed_bytes:
        return None
    return (
        f" has {packed_bytes} bytes and unpacks to more than {LIMIT_RATIO} times as many, "
        "as weights never do"
    )


def _code(member: tarfile.TarInfo, file: IO[bytes], compressed: bool) -> Iterator[str]:
    """Look at a member's content, by which alone it is known."""
    content = cast(IO[bytes], FileSection(file, member.offset_data, member.size))
    if compressed:
        # To look into a zip archive is to go to and fro, which gzip does by beginning anew.
        head = content.read(LOOKED_AT_BYTES)
        content = io.BytesIO(head)
        if head.startswith(ZIP_MAGIC):
            yield (
                f": member {member.name!r:.200} is a zip archive in a compressed one, which nobody "
                "looks into: pack it as a plain .tar"
            )
            return
    if (found := code_in(member.name, content)) is not None:
        yield f": member {member.name!r:.200} {found}: {REMEDY}"


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
