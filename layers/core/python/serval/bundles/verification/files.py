"""Check the files of a bundle: with the manifest's digests, and on disk plain files."""

import hashlib
import stat
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from serval.models.digests import digest_file
from serval.models.version import BundleFile

PICKLES = frozenset({".pkl", ".pickle", ".joblib", ".pt", ".pth", ".ckpt", ".dill", ".cloudpickle"})
EXPORT = "loading it could run code; export the model to ONNX (skl2onnx, torch.onnx.export)"


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_reasons(folder: Path, files: Iterable[BundleFile]) -> list[str]:
    """Check every file of the bundle in ``folder``; return a reason for each that is wrong."""
    return [reason for file in files if (reason := _file_reason(folder, file)) is not None]


def pickle_reasons(paths: Iterable[str]) -> list[str]:
    """Refuse files with names of pickles."""
    return [
        f"{path} is a pickle: {EXPORT}"
        for path in sorted(paths)
        if PurePosixPath(path).suffix.lower() in PICKLES
    ]


def _file_reason(folder: Path, file: BundleFile) -> str | None:
    try:
        status = (folder / file.path).lstat()
    except FileNotFoundError:
        return f"{file.path} is named by manifest.json, but was not uploaded"
    except NotADirectoryError:
        return f"{file.path}: a folder of that path is a file"
    if not stat.S_ISREG(status.st_mode):
        return f"{file.path} is a link or not a plain file; bundles hold plain files only"
    if status.st_nlink > 1:
        return f"{file.path} is a hard link; bundles hold plain files only"
    if status.st_size != file.size_bytes:
        return (
            f"{file.path} has {status.st_size} bytes, manifest.json says {file.size_bytes}: "
            "upload it again, and manifest.json last"
        )
    with (folder / file.path).open("rb") as opened:
        return digest_reason(file, digest_file(opened, like=file.sha256))


def digest_reason(file: BundleFile, found: str) -> str | None:
    """Return the reason against a file whose bytes have another digest."""
    if found == file.sha256:
        return None
    return (
        f"{file.path} has sha256 {found}, manifest.json says {file.sha256}: "
        "upload it again, and manifest.json last"
    )
