"""The folder from which an inference server takes versions; the least recently used ones go."""

import re
import shutil
import tarfile
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from weakref import WeakValueDictionary

from serval.errors import ArtifactUnavailable
from serval.inference.runtimes import Model
from serval.models.version import ModelVersion

ARCHIVES = (".tar", ".tar.gz", ".tgz")
PARTIAL = ".partial"
SETTINGS = "config.pbtxt"
"""Triton's settings of a model, which lie beside the folder of its version."""
TOKENS = re.compile(
    r"#[^\n]*"
    r"|\bname\s*:\s*(?:\"[^\"\n]*\"|'[^'\n]*')[,;]?"
    r"|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'"
    r"|[{}<>]"
)
Key = tuple[str, str]
"""Model and version."""


def ignore(model: str, version: str) -> None:
    """Do nothing about a version that is about to go."""


@dataclass(slots=True)
class ServerFolder:
    """Holds versions as ``<model>-<version>/<version>/``, each whole, up to a limit of bytes.

    It is used by one thread at a time: by the one that loads.
    """

    folder: Path
    limit_bytes: int
    let_go: Callable[[str, str], object] = ignore
    """Called before a version goes, so that nobody starts to use it."""
    released: Callable[[str, str], object] = ignore
    """Called when nobody uses a version any more, before it is deleted or another takes its
    place."""
    _sizes: OrderedDict[Key, int] = field(default_factory=OrderedDict)
    """Bytes of each version in the folder, the least recently used first."""
    _users: WeakValueDictionary[Key, Model] = field(default_factory=WeakValueDictionary)
    """The model of each version, as long as it is in use."""

    def __post_init__(self) -> None:
        for partial in self.folder.glob(f"*/*{PARTIAL}"):
            shutil.rmtree(partial)
        left = [path for path in self.folder.glob("*/*") if path.is_dir()]
        for path in sorted(left, key=lambda path: path.stat().st_mtime):
            model = path.parent.name.removesuffix(f"-{path.name}")
            self._sizes[model, path.name] = size_bytes(path)

    def place(self, key: Key) -> Path:
        """Return the folder of a version's files."""
        model, version = key
        return self.folder / f"{model}-{version}" / version

    def hand_over(self, record: ModelVersion, fetch: Callable[[str, Path], object]) -> None:
        """Add a version's files, archives unpacked; they appear all at once.

        Raises
        ------
        ArtifactUnavailable
            If there is no room for them, even without all that nobody uses.
        """
        key = record.model, record.version
        if key in self._sizes:
            self._sizes.move_to_end(key)
            return
        place = self.place(key)
        partial = place.with_name(f"{record.version}{PARTIAL}")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        for path in record.artifact_files:
            self._make_room(record, size_bytes(partial) + record.file(path).size_bytes)
            destination = partial / place_of(path, record)
            destination.parent.mkdir(parents=True, exist_ok=True)
            fetch(path, destination)
            if path.lower().endswith(ARCHIVES):
                self._unpack(record, destination, partial)
        size = size_bytes(partial)
        if (settings := partial / SETTINGS).is_file():
            (place.parent / SETTINGS).write_text(without_name(settings.read_text()))
            settings.unlink()
        partial.rename(place)
        self._sizes[key] = size

    def note_user(self, record: ModelVersion, model: Model) -> None:
        """Keep a version for as long as this model of it is in use."""
        self._users[record.model, record.version] = model

    def release(self, key: Key) -> bool:
        """Let a version go, whose files stay; return False if it is still in use."""
        self.let_go(*key)
        if key in self._users:
            return False
        self.released(*key)
        return True

    def _unpack(self, record: ModelVersion, path: Path, partial: Path) -> None:
        """Replace an archive by its members, which ``verify`` has checked."""
        with tarfile.open(path) as archive:
            unpacked = sum(member.size for member in archive)
            self._make_room(record, size_bytes(partial) + unpacked)
            archive.extractall(path.parent, filter="data")
        path.unlink()

    def _make_room(self, record: ModelVersion, needed_bytes: int) -> None:
        for key in list(self._sizes):
            if sum(self._sizes.values()) + needed_bytes <= self.limit_bytes:
                return
            if self.release(key):
                shutil.rmtree(self.place(key).parent)
                del self._sizes[key]
        if sum(self._sizes.values()) + needed_bytes > self.limit_bytes:
            raise ArtifactUnavailable(
                record.model,
                record.version,
                f"it takes {needed_bytes} bytes of disk for its inference server, which may have "
                f"{self.limit_bytes}, and {sum(self._sizes.values())} of them are in use",
            )


def without_name(settings: str) -> str:
    """Remove the model's own name from Triton's settings, since its folder's has to be the same."""
    depth = 0

    def keep(found: re.Match[str]) -> str:
        nonlocal depth
        token = found[0]
        depth += (token in "{<") - (token in "}>")
        return "" if depth == 0 and token.startswith("name") else token

    return TOKENS.sub(keep, settings)


def place_of(path: str, record: ModelVersion) -> str:
    """Return where a file lies in its version's folder, which is the artifact's if all are in it.

    So a server finds ``config.json`` of ``model/config.json`` where it looks for it.
    """
    above = record.artifact.rpartition("/")[0] + "/"
    if all(file.startswith(above) for file in record.artifact_files):
        return path.removeprefix(above)
    return path


def size_bytes(folder: Path) -> int:
    """Return the size of all files in a folder."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())
