"""Downloads by presigned URLs of S3, which need no rights of their own."""

import shutil
import urllib.request
from pathlib import Path

TIMEOUT_SECONDS = 30.0
CHUNK_BYTES = 2**20


class WrongSize(Exception):
    """An object has another size than announced, though its version is pinned."""


def download(url: str, target: Path, size_bytes: int) -> None:
    """Download exactly ``size_bytes`` of a URL to a file.

    Raises
    ------
    OSError
        If the URL cannot be read; ``urllib.error.HTTPError`` is one.
    WrongSize
        If the object has another size.
    """
    with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as body:
        announced = int(body.headers.get("Content-Length", size_bytes))
        if announced != size_bytes:
            raise WrongSize(f"{target.name}: {announced} bytes, {size_bytes} expected")
        with target.open("wb") as out:
            shutil.copyfileobj(body, out, CHUNK_BYTES)
    if target.stat().st_size != size_bytes:
        raise WrongSize(f"{target.name}: {target.stat().st_size} bytes, {size_bytes} expected")
