"""The digests of a bundle's files, and of the parts in which they are sent."""

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from serval.bundles.manifest import Manifest
from serval.models.digests import BLOCK_BYTES, combine_parts, cut_parts
from serval.models.version import BundleFile
from serval_cli.failures import CommandFailed


@dataclass(frozen=True, slots=True)
class FilePart:
    """A part of a file, or all of a small one."""

    path: str
    start: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class HashedFile:
    """A file and the sha256 of each of its parts; a file of one part is known by its own."""

    path: str
    parts: tuple[FilePart, ...]
    sha256s: tuple[bytes, ...]

    @property
    def record(self) -> BundleFile:
        """The file as the manifest lists it."""
        size_bytes = sum(part.size_bytes for part in self.parts)
        if len(self.parts) == 1:
            return BundleFile(self.path, self.sha256s[0].hex(), size_bytes)
        return BundleFile(self.path, combine_parts(self.sha256s), size_bytes)


def hash_files(
    folder: Path, sizes: Mapping[str, int], advance: Callable[[int], object]
) -> list[HashedFile]:
    """Hash files, several parts at once, calling ``advance`` with the number of bytes read.

    Raises
    ------
    CommandFailed
        If a file changes meanwhile.
    """
    files = {path: tuple(parts_of(path, sizes[path])) for path in sorted(sizes)}
    parts = [part for path in files for part in files[path]]
    with ThreadPoolExecutor(os.cpu_count() or 1, "hash") as threads:
        # One iterator of all parts: when it ends early, by Ctrl-C or a failure, the rest is left.
        found = threads.map(lambda part: hash_part(folder, part, advance), parts)
        return [
            HashedFile(path, own, tuple(islice(found, len(own)))) for path, own in files.items()
        ]


def manifest_of(model: str, files: Sequence[HashedFile]) -> Manifest:
    """Return the manifest of hashed files."""
    return Manifest(model, tuple(file.record for file in files))


def parts_of(path: str, size_bytes: int) -> list[FilePart]:
    """Cut a file into parts; an empty one has one, too."""
    return [FilePart(path, start, end - start) for start, end in cut_parts(size_bytes) or [(0, 0)]]


def hash_part(folder: Path, part: FilePart, advance: Callable[[int], object]) -> bytes:
    """Return the sha256 of a part."""
    digest, left = hashlib.sha256(), part.size_bytes
    with (folder / part.path).open("rb") as file:
        file.seek(part.start)
        while block := file.read(min(BLOCK_BYTES, left)):
            digest.update(block)
            left -= len(block)
            advance(len(block))
    if left:
        raise CommandFailed(f"{folder / part.path} became shorter while it was read")
    return digest.digest()
