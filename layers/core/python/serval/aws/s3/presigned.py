"""Reads by presigned URLs of S3, which need no rights of their own."""

import http.client
import urllib.request
from http import HTTPStatus
from typing import IO, cast

TIMEOUT_SECONDS = 30.0
CHUNK_BYTES = 2**20


class WrongSize(Exception):
    """An object has another size than announced, though its version is pinned."""


def open_from(url: str, start: int, size_bytes: int) -> IO[bytes]:
    """Open an object of exactly ``size_bytes`` from the byte ``start`` on.

    Raises
    ------
    OSError
        If the URL cannot be read; ``urllib.error.HTTPError`` is one.
    WrongSize
        If the object has another size.
    """
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"})
    body: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)
    try:
        if body.status == HTTPStatus.PARTIAL_CONTENT:
            _check_size(body.headers.get("Content-Range", "").rpartition("/")[2], size_bytes)
        else:
            # Whoever ignores ranges sends all of it.
            _check_size(body.headers.get("Content-Length", ""), size_bytes)
            _skip(body, start)
    except BaseException:
        body.close()
        raise
    return cast(IO[bytes], body)


def _check_size(announced: str, size_bytes: int) -> None:
    if announced != str(size_bytes):
        raise WrongSize(f"{announced or 'unknown'} bytes, {size_bytes} expected")


def _skip(body: http.client.HTTPResponse, count: int) -> None:
    while count > 0:
        passed = len(body.read(min(count, CHUNK_BYTES)))
        if passed == 0:
            raise ConnectionResetError(f"the answer ended {count} bytes before the range")
        count -= passed
