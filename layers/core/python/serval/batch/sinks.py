"""Where bytes go that make one object."""

from typing import Protocol


class Sink(Protocol):
    """Takes the bytes of one object in order."""

    def write(self, data: bytes) -> None:
        """Take more bytes."""

    def close(self) -> None:
        """Make the object appear, whole."""

    def abort(self) -> None:
        """Leave nothing behind."""
