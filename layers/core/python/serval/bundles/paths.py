"""Paths inside a bundle, which strangers choose."""

from pathlib import PurePosixPath

LIMIT_CHARACTERS = 512


def check_path(path: str) -> str:
    """Return a path inside a bundle, or raise ``ValueError`` if it is not one."""
    if not path or len(path) > LIMIT_CHARACTERS or not path.isprintable():
        raise ValueError(f"expected a path of 1 to {LIMIT_CHARACTERS} printable characters")
    if "\\" in path:
        raise ValueError("expected forward slashes, no backslash")
    if path.startswith("/") or ".." in path.split("/"):
        raise ValueError("expected a path inside the bundle: relative and without '..'")
    if str(PurePosixPath(path)) != path or path == ".":
        raise ValueError(f"expected a plain path, as {str(PurePosixPath(path))!r}")
    return path
