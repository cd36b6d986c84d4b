"""Download files from URLs, resuming where an interrupted download stopped.

A partial file lies beside its target under a name that carries the ETag, so a target is either
complete or absent.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from glob import escape
from pathlib import Path, PurePosixPath

from serval.client.asking import Asking
from serval.client.documents import JobFile
from serval.client.failures import CallFailed, NoReply
from serval.client.steps import Call, Flow, NextBytes, Opening, Reply

DOWNLOAD_TRIES = 5
"""Attempts for one file before the download fails."""
PARTIAL, GONE = 206, (403, 404)


class DownloadFailed(CallFailed):
    """A file could not be downloaded; what came of it is kept for the next time."""


class Interruption(Exception):
    """The connection broke; what arrived is kept."""


@dataclass(frozen=True, slots=True)
class DownloadProgress:
    """Who is told how far a download is; by default nobody."""

    began: Callable[[str, int, int], object] = lambda *_: None
    """Called once per try with the file's name, its size and the bytes already on disk."""
    came: Callable[[int], object] = lambda _: None
    """Called with the number of bytes just received."""


SILENT = DownloadProgress()


@dataclass
class Downloading(Asking):
    """Downloads files whose URLs need no key."""

    def download(
        self,
        files: Sequence[JobFile],
        folder: Path | str,
        *,
        progress: DownloadProgress = SILENT,
    ) -> Flow[list[Path]]:
        """Download the files of a job below a folder, each whole, in place of what is there.

        Raises
        ------
        DownloadFailed
            If a file cannot be downloaded; its partial file is kept for the next time.
        """
        found = []
        for each in files:
            found.append((yield from self._file(each, Path(folder), progress)))
        return found

    def _file(self, file: JobFile, folder: Path, progress: DownloadProgress) -> Flow[Path]:
        name = file["name"]
        target = target_of(name, folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        reason = ""
        for _ in range(DOWNLOAD_TRIES):
            try:
                yield from self._part(file, target, progress)
            except (Interruption, NoReply) as error:
                reason = str(error)
                continue
            for left in target.parent.glob(f"{escape(target.name)}.*.part"):
                left.unlink()
            return target
        raise DownloadFailed(
            f"{name}: the connection was cut off {DOWNLOAD_TRIES} times ({reason}); the next "
            "download goes on where this one was"
        )

    def _part(self, file: JobFile, target: Path, progress: DownloadProgress) -> Flow[None]:
        """Download the missing part of a file, in a single call if nothing of it is on disk."""
        name, url = file["name"], file["url"]
        reply: Reply = yield Opening(Call("GET", url))
        check_reply(reply, name)
        size = int(reply.headers.get("content-length", -1))
        etag = reply.headers.get("etag", "")
        part = target.with_name(f"{target.name}.{re.sub('[^0-9A-Za-z-]', '', etag)}.part")
        here = part.stat().st_size if etag and part.exists() else 0
        progress.began(name, size, here)
        if here != size:
            if 0 < here < size:
                headers = {"range": f"bytes={here}-", "if-match": etag}
                reply = yield Opening(Call("GET", url, headers=headers))
                check_reply(reply, name)
            start = here if reply.status == PARTIAL else 0
            yield from self._write(part, start, size, progress)
        part.replace(target)

    def _write(self, part: Path, at: int, size: int, progress: DownloadProgress) -> Flow[None]:
        with part.open("ab" if at else "wb") as file:
            while piece := (yield NextBytes()):
                file.write(piece)
                at += len(piece)
                progress.came(len(piece))
        if 0 <= size != at:
            raise Interruption(f"{at} of {size} bytes came")


def target_of(name: str, folder: Path) -> Path:
    """Return where a file is written, or raise ``DownloadFailed`` if it is outside the folder."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise DownloadFailed(f"{name!r} does not name a file below {folder}")
    return folder / path


def check_reply(reply: Reply, name: str) -> None:
    """Raise an error unless a reply carries the file.

    Raises
    ------
    Interruption
        If another attempt may succeed.
    DownloadFailed
        If the file is gone or its URL has expired.
    """
    if reply.ok:
        return
    reason = f"{name}: {reply.status} {reply.phrase}"
    if reply.status in GONE:
        raise DownloadFailed(
            f"{reason}: the file is gone, or its URL has expired: ask again for a new one"
        )
    if reply.status < 500 and reply.status != 412:
        raise DownloadFailed(reason)
    raise Interruption(reason)
