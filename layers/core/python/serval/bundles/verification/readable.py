"""What verification reads: a folder on disk, or an upload in S3, of which only ranges are read."""

import io
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO, Literal, Protocol, cast

BUFFER_BYTES = 2**18
SKIP_BYTES = 2**20
"""A step forwards up to this is read and thrown away; a longer one asks anew."""
TRIES = 4
PAUSE_SECONDS = 1.0


class ReadableFile(Protocol):
    """A file of a bundle; ``pathlib.Path`` is one."""

    def open(self, mode: Literal["rb"]) -> IO[bytes]:
        """Open the file, which can be read from any position."""

    def read_bytes(self) -> bytes:
        """Read the whole file."""


class ReadableFolder(Protocol):
    """The folder of a bundle; ``pathlib.Path`` is one."""

    def __truediv__(self, path: str) -> ReadableFile:
        """Return the file of a path inside the bundle."""


class OpenFrom(Protocol):
    """Opens a URL whose object has ``size_bytes``, from the byte ``start`` on."""

    def __call__(self, url: str, start: int, size_bytes: int) -> IO[bytes]:
        """Return the bytes from there on; raise ``OSError`` if they cannot be had."""


def size_of_file(file: IO[bytes]) -> int:
    """Return the size of an open file in bytes."""
    at = file.tell()
    size = file.seek(0, io.SEEK_END)
    file.seek(at)
    return size


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file that is read by its URL, without a copy on disk."""

    url: str
    size_bytes: int
    open_from: OpenFrom
    failures: list[Exception]
    """Receives what reading failed by, since a parser may take it for a fault of the file."""

    def open(self, mode: Literal["rb"] = "rb") -> IO[bytes]:
        """Open the file; nothing is asked for before something is read."""
        return cast(IO[bytes], io.BufferedReader(RemoteReader(self), BUFFER_BYTES))

    def read_bytes(self) -> bytes:
        """Read the whole file into memory."""
        with self.open() as file:
            return file.read()


@dataclass(frozen=True, slots=True)
class RemoteFolder:
    """The files of an upload by their paths."""

    files: Mapping[str, RemoteFile]

    def __truediv__(self, path: str) -> RemoteFile:
        """Return the file of a path inside the bundle."""
        return self.files[path]


class RemoteReader(io.RawIOBase):
    """Reads a remote file: in one request as long as it goes forwards."""

    def __init__(self, file: RemoteFile, pause: Callable[[float], object] = time.sleep) -> None:
        self._file, self._pause = file, pause
        self._at = 0
        self._body: IO[bytes] | None = None
        self._body_at = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to another position, without asking for anything."""
        begin = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._file.size_bytes}[whence]
        if begin + offset < 0:
            raise OSError("before the beginning")
        self._at = begin + offset
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Read some of the next bytes; a connection that breaks is made again, a few times."""
        found = self._read(len(buffer))
        buffer[: len(found)] = found
        return len(found)

    def readall(self) -> bytes:
        """Read all that is left, in one piece if one answer brings it."""
        pieces = []
        while piece := self._read(self._file.size_bytes):
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def close(self) -> None:
        """Close the connection, too."""
        self._let_go()
        super().close()

    def _read(self, most: int) -> bytes:
        wanted = min(most, self._file.size_bytes - self._at)
        if wanted <= 0:
            return b""
        try:
            found = self._try_to_read(wanted)
        except Exception as error:
            self._file.failures.append(error)
            raise
        self._at += len(found)
        return found

    def _try_to_read(self, wanted: int) -> bytes:
        for _ in range(TRIES - 1):
            try:
                return self._next_bytes(wanted)
            except (ConnectionError, TimeoutError):
                self._let_go()
                self._pause(PAUSE_SECONDS)
        return self._next_bytes(wanted)

    def _next_bytes(self, wanted: int) -> bytes:
        body = self._body_here()
        found = body.read(wanted)
        if not found:
            raise ConnectionResetError(f"the answer ended at byte {self._at}")
        self._body_at += len(found)
        return found

    def _body_here(self) -> IO[bytes]:
        """Return the open body, brought to the position, or a new one."""
        if self._body is not None and 0 <= (gap := self._at - self._body_at) <= SKIP_BYTES:
            self._body_at += len(self._body.read(gap)) if gap else 0
            if self._body_at == self._at:
                return self._body
        self._let_go()
        self._body = self._file.open_from(self._file.url, self._at, self._file.size_bytes)
        self._body_at = self._at
        return self._body

    def _let_go(self) -> None:
        if self._body is not None:
            self._body.close()
            self._body = None
