"""Tar archives of a bundle: check that unpacking them does no harm.

Nothing is unpacked here, and nothing but headers is kept in memory. The beginning of each member
is searched for code.
"""

import gzip
import io
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO, cast

from serval.bundles.paths import check_path
from serval.bundles.verification.code import HEAD_BYTES, REMEDY, find_code
from serval.bundles.verification.readable import ReadableFolder, size_of_file
from serval.bundles.verification.zips import ZIP_MAGIC, FileSection
from serval.foreign import refusing

PLAIN = ".tar"
COMPRESSED = (".tar.gz", ".tgz")
LIMIT_MEMBERS = 10_000
LIMIT_UNPACKED_BYTES = 20 * 2**30
LIMIT_RATIO = 100
"""Unpacked bytes per byte of the archive; weights are packed two or three to one."""
LIMIT_HEADER_BYTES = 64 * 2**20
LIMIT_REASONS = 10
NOWHERE = "/nowhere"
"""A destination for tarfile's data filter, which looks only at names."""


class UnreadableArchive(Exception):
    """The file is not an archive, or a damaged one."""


class HeadersTooLong(ValueError):
    """The headers are longer than those of any honest archive."""


@dataclass(slots=True)
class Headers:
    """A file of which only headers are read, up to a limit."""

    file: IO[bytes]
    left_bytes: int = LIMIT_HEADER_BYTES

    def read(self, size: int) -> bytes:
        """Read a header."""
        self.left_bytes -= size
        if self.left_bytes < 0:
            raise HeadersTooLong(f"its headers have more than {LIMIT_HEADER_BYTES} bytes")
        return self.file.read(size)

    def seek(self, offset: int) -> int:
        """Skip a member's bytes."""
        return self.file.seek(offset)

    def tell(self) -> int:
        """Return the position of the next header."""
        return self.file.tell()


@dataclass(slots=True)
class UnpackedTotal:
    """Members and bytes of all archives of a bundle together."""

    members: int = 0
    size_bytes: int = 0

    def limit_reason(self) -> str | None:
        """Return the limit that is exceeded, if any."""
        if self.members > LIMIT_MEMBERS:
            return f" has more than {LIMIT_MEMBERS} members, with the bundle's archives before it"
        if self.size_bytes > LIMIT_UNPACKED_BYTES:
            return (
                f" unpacks to more than {LIMIT_UNPACKED_BYTES} bytes, with the bundle's archives "
                "before it"
            )
        return None


def is_archive(path: str) -> bool:
    """Whether a file has the name of an archive, which a worker unpacks."""
    return path.lower().endswith((PLAIN, *COMPRESSED))


def archive_reasons(
    folder: ReadableFolder, paths: Iterable[str], *, trusted: bool = False
) -> list[str]:
    """Check every tar archive among a bundle's files; those of a trusted fleet may hold code."""
    total = UnpackedTotal()
    return [
        f"{path}{reason}"
        for path in sorted(paths)
        if is_archive(path)
        for reason in _check_archive(folder, path, total, trusted)
    ]


def _check_archive(
    folder: ReadableFolder, path: str, total: UnpackedTotal, trusted: bool
) -> list[str]:
    reasons: list[str] = []
    compressed = path.lower().endswith(COMPRESSED)
    kind = "a gzipped tar" if compressed else "a tar"
    try:
        with refusing(UnreadableArchive), (folder / path).open("rb") as raw:
            for reason in _check_members(raw, compressed, total, trusted):
                reasons.append(reason)
                if len(reasons) == LIMIT_REASONS:
                    return reasons
    except UnreadableArchive as error:
        reasons.append(f" is not {kind} archive that can be read: {error}; pack it again")
    return reasons


def _check_members(
    raw: IO[bytes], compressed: bool, total: UnpackedTotal, trusted: bool
) -> Iterator[str]:
    """Check the members in turn, and stop at one over a limit before its bytes are read."""
    packed_bytes = size_of_file(raw)
    file = cast(IO[bytes], gzip.GzipFile(fileobj=raw)) if compressed else raw
    before = total.size_bytes
    with tarfile.open(fileobj=cast(IO[bytes], Headers(file)), mode="r:") as archive:
        for member in archive:
            total.members += 1
            total.size_bytes += max(0, member.size)
            too_dense = _density_reason(total.size_bytes - before, packed_bytes)
            if reason := total.limit_reason() or too_dense:
                yield reason
                return
            reasons = list(_member_reasons(member))
            yield from reasons
            if member.isreg() and not reasons and not trusted:
                yield from _check_content(member, file, compressed)


def _density_reason(unpacked_bytes: int, packed_bytes: int) -> str | None:
    if unpacked_bytes <= LIMIT_RATIO * packed_bytes:
        return None
    return (
        f" has {packed_bytes} bytes and unpacks to more than {LIMIT_RATIO} times as many, "
        "as weights never do"
    )


def _check_content(member: tarfile.TarInfo, file: IO[bytes], compressed: bool) -> Iterator[str]:
    """Search a member's content for code."""
    content = cast(IO[bytes], FileSection(file, member.offset_data, member.size))
    if compressed:
        # Reading a zip archive takes seeks, and for each one backwards gzip starts again.
        head = content.read(HEAD_BYTES)
        content = io.BytesIO(head)
        if head.startswith(ZIP_MAGIC):
            yield (
                f": member {member.name!r:.200} is a zip archive in a compressed one, which is not "
                "searched: pack it as a plain .tar"
            )
            return
    if (found := find_code(member.name, content)) is not None:
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
