"""Results of a batch job on this machine: each file is there whole, or not at all.

What has come of a file lies beside it, under a name that has its ETag, so that the same command
goes on where the last one was cut off.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from glob import escape
from pathlib import Path, PurePosixPath
from typing import Any

import httpx

from serval_cli.failures import CommandFailed

TRIES = 5
"""Connections for a file before it is given up for now."""
PARTIAL, GONE = 206, (403, 404)


class Interrupted(Exception):
    """The connection was cut off; what has come is kept."""


@dataclass(frozen=True, slots=True)
class BatchDownload:
    """Fetches files by the URLs that the API gives."""

    client: httpx.Client
    folder: Path
    began: Callable[[str, int, int], object]
    """Hears of a file: its name, its bytes, and how many of them are here already."""
    came: Callable[[int], object]
    """Hears how many bytes have come."""

    def fetch(self, results: Sequence[Mapping[str, str]]) -> list[dict[str, Any]]:
        """Fetch files; give each one's name, path and size.

        Raises
        ------
        CommandFailed
            If a file cannot be had; what has come of it is kept for the next time.
        """
        return [self._file(each["name"], each["url"]) for each in results]

    def _file(self, name: str, url: str) -> dict[str, Any]:
        target = self._target(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        said = ""
        for _ in range(TRIES):
            try:
                self._some(name, url, target)
            except (Interrupted, httpx.TransportError) as error:
                said = str(error) or type(error).__name__
                continue
            for left in target.parent.glob(f"{escape(target.name)}.*.part"):
                left.unlink()
            return {"name": name, "path": str(target), "size_bytes": target.stat().st_size}
        raise CommandFailed(
            f"{name}: the connection was cut off {TRIES} times ({said}); the same command goes on "
            "where it was"
        )

    def _target(self, name: str) -> Path:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or not path.parts:
            raise CommandFailed(f"{name!r} is no name of a file below {self.folder}")
        return self.folder / path

    def _some(self, name: str, url: str, target: Path) -> None:
        """Fetch what is missing of a file, in one connection if nothing of it is here."""
        with self.client.stream("GET", url) as reply:
            checked(reply, name)
            size = int(reply.headers.get("content-length", -1))
            etag = reply.headers.get("etag", "")
            part = target.with_name(f"{target.name}.{re.sub('[^0-9A-Za-z-]', '', etag)}.part")
            here = part.stat().st_size if etag and part.exists() else 0
            self.began(name, size, here)
            if here == size:
                part.replace(target)
                return
            if not 0 < here < size:
                self._write(reply, part, 0, size)
                part.replace(target)
                return
        headers = {"range": f"bytes={here}-", "if-match": etag}
        with self.client.stream("GET", url, headers=headers) as reply:
            checked(reply, name)
            self._write(reply, part, here if reply.status_code == PARTIAL else 0, size)
        part.replace(target)

    def _write(self, reply: httpx.Response, part: Path, at: int, size: int) -> None:
        with part.open("ab" if at else "wb") as file:
            for piece in reply.iter_raw():
                file.write(piece)
                at += len(piece)
                self.came(len(piece))
        if 0 <= size != at:
            raise Interrupted(f"{at} of {size} bytes came")


def checked(reply: httpx.Response, name: str) -> None:
    """Refuse an answer that is no file.

    Raises
    ------
    Interrupted
        If the next try may give it.
    CommandFailed
        If it is gone, or its URL is too old.
    """
    if reply.is_success:
        return
    said = f"{name}: {reply.status_code} {reply.reason_phrase}"
    if reply.status_code in GONE:
        raise CommandFailed(
            f"{said}: the file is gone, or its URL has expired: the same command gets a new one"
        )
    if not reply.is_server_error and reply.status_code != 412:
        raise CommandFailed(said)
    raise Interrupted(said)
