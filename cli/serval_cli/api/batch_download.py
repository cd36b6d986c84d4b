"""Download a batch job's results, resuming where an interrupted download stopped.

A partial file lies beside its target under a name that carries the ETag, so a target is either
complete or absent.
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
"""Attempts for one file before the command fails."""
PARTIAL, GONE = 206, (403, 404)


class Interrupted(Exception):
    """The connection broke; what arrived is kept."""


@dataclass(frozen=True, slots=True)
class BatchDownload:
    """Downloads files from presigned URLs."""

    client: httpx.Client
    folder: Path
    began: Callable[[str, int, int], object]
    """Called once per file with its name, its size and the bytes already on disk."""
    came: Callable[[int], object]
    """Called with the number of bytes just received."""

    def fetch(self, results: Sequence[Mapping[str, str]]) -> list[dict[str, Any]]:
        """Download files and return the name, path and size of each.

        Raises
        ------
        CommandFailed
            If a file cannot be downloaded; its partial file is kept for the next run.
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
            raise CommandFailed(f"{name!r} does not name a file below {self.folder}")
        return self.folder / path

    def _some(self, name: str, url: str, target: Path) -> None:
        """Download the missing part of a file, in a single request if nothing of it is on disk."""
        with self.client.stream("GET", url) as reply:
            check_reply(reply, name)
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
            check_reply(reply, name)
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


def check_reply(reply: httpx.Response, name: str) -> None:
    """Raise an error unless a reply carries the file.

    Raises
    ------
    Interrupted
        If another attempt may succeed.
    CommandFailed
        If the file is gone or its URL has expired.
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
