"""``manifest.json`` lists the files of an upload, and is written last to complete it."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from serval.bundles.paths import check_path
from serval.errors import BundleRefused
from serval.foreign import refusing
from serval.models.digests import DIGEST, cut_parts
from serval.models.storage import MANIFEST
from serval.models.version import BundleFile
from serval.short_repr import short_repr

LIMIT_FILES = 200
LIMIT_PATHS_BYTES = 11_264
"""A rollout's state has each path four times and packed in a URL, in at most 256 KiB."""
LIMIT_BUNDLE_BYTES = 200 * 2**30
"""Of all files together, so of one file too."""
LIMIT_MANIFEST_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class Manifest:
    """The files of a bundle, without the manifest itself."""

    model: str
    files: tuple[BundleFile, ...]

    @property
    def digest(self) -> str:
        """The sha256 that identifies the bundle's bytes, whatever the order of its files."""
        lines = sorted(f"{file.path}\n{file.sha256}\n{file.size_bytes}\n" for file in self.files)
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    @property
    def paths(self) -> frozenset[str]:
        """The paths of the files."""
        return frozenset(file.path for file in self.files)

    def to_json(self) -> str:
        """Return the text of ``manifest.json``."""
        files = [asdict(file) for file in self.files]
        return json.dumps({"model": self.model, "files": files}, indent=2)


def read_manifest(text: bytes | str, model: str) -> Manifest:
    """Parse and check the manifest of an upload to ``incoming/<model>/``.

    Raises
    ------
    BundleRefused
        With every mistake.
    """
    with refusing(lambda said: BundleRefused([f"{MANIFEST} is not JSON: {said}"])):
        value = json.loads(text)
    if not isinstance(value, dict) or not isinstance(value.get("files"), list):
        raise BundleRefused([f'{MANIFEST}: {{"model": …, "files": […]}} expected'])
    files, reasons = _read_files(value["files"])
    if value.get("model") != model:
        reasons.append(
            f"{MANIFEST}: model {value.get('model')!r} given, {model!r} expected: "
            f"the upload lies in incoming/{model}/"
        )
    reasons += _bundle_reasons(files)
    if reasons:
        raise BundleRefused(reasons)
    return Manifest(model, tuple(files))


def _read_files(entries: Sequence[Any]) -> tuple[list[BundleFile], list[str]]:
    if len(entries) > LIMIT_FILES:
        return [], [
            f"{MANIFEST}: {len(entries)} files, at most {LIMIT_FILES} allowed: save the weights in "
            "one file, with onnx.save_model(…, save_as_external_data=True, "
            "all_tensors_to_one_file=True)"
        ]
    files: list[BundleFile] = []
    reasons: list[str] = []
    for number, entry in enumerate(entries):
        try:
            files.append(_read_file(entry))
        except ValueError as problem:
            reasons.append(f"{MANIFEST}: files[{number}]: {problem}")
    return files, reasons


def _read_file(entry: Any) -> BundleFile:
    if not isinstance(entry, Mapping) or entry.keys() != {"path", "sha256", "size_bytes"}:
        raise ValueError("'path', 'sha256' and 'size_bytes' expected")
    path, sha256, size_bytes = entry["path"], entry["sha256"], entry["size_bytes"]
    if not isinstance(path, str):
        raise ValueError(f"path {short_repr(path)}: expected text")
    try:
        check_path(path)
    except ValueError as problem:
        raise ValueError(f"path {path!r}: {problem}") from None
    if type(size_bytes) is not int or not 0 <= size_bytes <= LIMIT_BUNDLE_BYTES:
        raise ValueError(
            f"{path}: size_bytes {short_repr(size_bytes)}: expected a whole number up to "
            f"{LIMIT_BUNDLE_BYTES}"
        )
    found = DIGEST.fullmatch(sha256) if isinstance(sha256, str) else None
    if found is None:
        raise ValueError(f"{path}: sha256 {sha256!r}: expected 64 hex digits, lower case")
    if found[2] and int(found[2]) != (parts := len(cut_parts(size_bytes))):
        raise ValueError(
            f"{path}: sha256 {sha256!r}: of {found[2]} parts, expected {parts} of 64 MiB, the "
            "last with what is left"
        )
    return BundleFile(path, sha256, size_bytes)


def _bundle_reasons(files: Sequence[BundleFile]) -> list[str]:
    reasons = []
    seen: set[str] = set()
    for file in files:
        if file.path in seen:
            reasons.append(f"{MANIFEST}: {file.path} is listed twice")
        seen.add(file.path)
    for path in sorted(seen):
        folders = path.split("/")[:-1]
        above = {"/".join(folders[:depth]) for depth in range(1, len(folders) + 1)}
        reasons += [
            f"{MANIFEST}: {folder} is listed as a file, and as the folder of {path}"
            for folder in sorted(above & seen)
        ]
    if MANIFEST in seen:
        reasons.append(f"{MANIFEST} lists itself; it is not part of the bundle")
    if (length := sum(len(path.encode()) for path in seen)) > LIMIT_PATHS_BYTES:
        reasons.append(
            f"{MANIFEST}: the paths have {length} bytes in all, at most {LIMIT_PATHS_BYTES} "
            "allowed: use shorter names"
        )
    if (total := sum(file.size_bytes for file in files)) > LIMIT_BUNDLE_BYTES:
        reasons.append(f"{MANIFEST}: {total} bytes in all, at most {LIMIT_BUNDLE_BYTES} allowed")
    return reasons
