"""Extract each layer once and link it into the workers."""

import hashlib
import io
import threading
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from serval_cli.local.launcher.emulator import Emulator

NAMES = (
    "lambda_runtime/Worker/_spawn",
    "lambda_runtime/zipfile/ZipFile",
    "lambda_svc/_resolve_layer_zip",
)
MARK = b"serval-layer:"


def apply(emulator: Emulator, cache: Path) -> None:
    """Hand workers a mark in place of a layer, and link the layer when they extract it."""
    service, runtime = emulator.lambda_svc, emulator.lambda_runtime
    layers = ExtractedLayers(cache)
    resolve = service._resolve_layer_zip

    class LinkingZipFile(zipfile.ZipFile):
        def extractall(self, path: Any = None, *args: Any, **options: Any) -> None:
            if self.comment.startswith(MARK):
                layers.link(self.comment.removeprefix(MARK).decode(), Path(path))
            else:
                super().extractall(path, *args, **options)

    def resolve_mark(attachment: Any) -> bytes | None:
        content = resolve(attachment)
        return layers.mark(content) if content else content

    names = {name: getattr(zipfile, name) for name in zipfile.__all__}
    runtime.zipfile = SimpleNamespace(**names | {"ZipFile": LinkingZipFile})
    service._resolve_layer_zip = resolve_mark


class ExtractedLayers:
    """A folder of extracted layers, by the sha256 of their zip."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        self._marks: dict[int, tuple[bytes, bytes]] = {}
        self._extracting = threading.Lock()

    def mark(self, content: bytes) -> bytes:
        """Extract a layer's zip once, and return an empty zip that names it."""
        with self._extracting:
            # Holding the content keeps its id from being reused.
            if id(content) not in self._marks:
                digest = hashlib.sha256(content).hexdigest()
                self._extract(digest, content)
                self._marks[id(content)] = (content, empty_zip(MARK + digest.encode()))
            return self._marks[id(content)][1]

    def link(self, digest: str, folder: Path) -> None:
        """Link the top level of a layer into a folder."""
        for entry in (self._cache / digest).iterdir():
            (folder / entry.name).symlink_to(entry)

    def _extract(self, digest: str, content: bytes) -> None:
        folder = self._cache / digest
        if folder.is_dir():
            return
        partial = self._cache / f"{digest}.partial"
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            archive.extractall(partial)
        partial.rename(folder)


def empty_zip(comment: bytes) -> bytes:
    """Write a zip file without members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.comment = comment
    return buffer.getvalue()
