"""Frames on the socket between a server and a handler's process.

::

    two lengths (8 bytes each, little-endian) | a JSON object | a body

    server                                         handler's process
      {"file", "convention", "secrets", …}   ->
                                             <-    {"is": "ready"} | {"is": "unreadable", "why"}
      {"content_type", "accept"} and a body  ->
                                             <-    {"is": "answered", "content_type"} and a body
                                                   {"is": "refused" | "failed", "why"}
"""

import json
import socket
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

LENGTHS = struct.Struct("<QQ")
MOST_HEAD_BYTES = 2**20


class FrameLost(Exception):
    """The other end closed the socket, or sent what is no frame."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A JSON object and a body."""

    head: Mapping[str, Any]
    body: bytes = b""


def do_nothing() -> None:
    """Do nothing between two steps of a transfer."""


@dataclass(frozen=True, slots=True)
class FrameSocket:
    """One end of the socket. With a time-out on it, ``check`` is called whenever that passes."""

    socket: socket.socket
    check: Callable[[], None] = do_nothing
    """May raise what ends the transfer."""

    def send(self, frame: Frame) -> None:
        """Send a frame."""
        head = json.dumps(frame.head).encode()
        for part in (LENGTHS.pack(len(head), len(frame.body)), head, frame.body):
            self._send(memoryview(part))

    def receive(self, most_bytes: int) -> Frame:
        """Wait for a frame whose body has at most so many bytes.

        Raises
        ------
        FrameLost
            If there is none, or it is damaged or longer.
        """
        head_bytes, body_bytes = LENGTHS.unpack(self._receive(LENGTHS.size))
        if head_bytes > MOST_HEAD_BYTES or body_bytes > most_bytes:
            raise FrameLost(f"a frame of {head_bytes} and {body_bytes} bytes")
        head = self._receive(head_bytes)
        try:
            value = json.loads(head)
        except (ValueError, RecursionError) as error:
            raise FrameLost("a frame whose head is not JSON") from error
        if not isinstance(value, dict):
            raise FrameLost("a frame whose head is not an object")
        return Frame(value, bytes(self._receive(body_bytes)))

    def _send(self, left: memoryview) -> None:
        while left:
            try:
                left = left[self.socket.send(left) :]
            except TimeoutError:
                self.check()
            except OSError as error:
                raise FrameLost("the socket is closed") from error

    def _receive(self, size: int) -> bytearray:
        found = bytearray(size)
        left = memoryview(found)
        while left:
            try:
                count = self.socket.recv_into(left)
            except TimeoutError:
                self.check()
                continue
            except OSError as error:
                raise FrameLost("the socket is closed") from error
            if not count:
                raise FrameLost("the socket is closed")
            left = left[count:]
        return found
