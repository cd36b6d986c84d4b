"""The channel between a worker and its shard process: JSON messages, followed by raw tensors.

::

    worker                          shard process
      {"shard": …}           ->
                             <-       {"ask": "load", "model": …, "version": …}
      {"is": "loaded", …}    ->
                             <-       {"ask": "run", …} and inputs        (again and again)
      {"is": "answered"} and outputs  ->
                             <-       {"ended": "done"}
"""

import json
import select
import socket
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from serval.foreign import refusing
from serval.models.tensor import Tensor
from serval.protocol.binary_tensors import decode_binary, encode_binary

LENGTH = struct.Struct("<Q")
BUFFER_BYTES = 4 * 2**20


class ChannelClosed(Exception):
    """The process at the other end is gone."""


@dataclass(frozen=True, slots=True)
class ChannelMessage:
    """A message, with or without tensors."""

    head: Mapping[str, Any]
    tensors: Sequence[Tensor] = ()


@dataclass(frozen=True, slots=True)
class Channel:
    """One end of the channel; each method may raise ``ChannelClosed``."""

    socket: socket.socket

    def __post_init__(self) -> None:
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            self.socket.setsockopt(socket.SOL_SOCKET, option, BUFFER_BYTES)

    def send(self, message: ChannelMessage) -> None:
        """Send a message."""
        raw = [encode_binary(tensor.datatype, tensor.array) for tensor in message.tensors]
        described = [
            (tensor.name, tensor.datatype, tensor.array.shape, len(own))
            for tensor, own in zip(message.tensors, raw, strict=True)
        ]
        head = json.dumps({**message.head, "tensors": described}).encode()
        try:
            for part in (LENGTH.pack(len(head)), head, *raw):
                self.socket.sendall(part)
        except OSError as error:
            raise ChannelClosed from error

    def receive(self) -> ChannelMessage:
        """Wait for a message; anything else means that the other process is dying."""
        with refusing(ChannelClosed):
            (length,) = LENGTH.unpack(self._exactly(LENGTH.size))
            head = json.loads(bytes(self._exactly(length)))
            tensors = [
                Tensor(name, datatype, decode_binary(name, datatype, shape, self._exactly(size)))
                for name, datatype, shape, size in head.pop("tensors")
            ]
            return ChannelMessage(head, tensors)

    def ready(self, seconds: float) -> bool:
        """Return whether a message is there, or comes within so many seconds."""
        return bool(select.select([self.socket], [], [], seconds)[0])

    def close(self) -> None:
        """Close this end."""
        self.socket.close()

    def _exactly(self, size: int) -> memoryview:
        found = np.empty(size, np.uint8).data
        left = found
        while left:
            try:
                count = self.socket.recv_into(left)
            except OSError as error:
                raise ChannelClosed from error
            if not count:
                raise ChannelClosed
            left = left[count:]
        return found
