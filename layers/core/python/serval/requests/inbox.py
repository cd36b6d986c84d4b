"""The inbox of a worker: messages about requests, a queue for each model.

A model whose candidate answers on machines of its own has one more, for the candidate.

A message holds only the request's id; the row decides. A received message is hidden from other
receivers for some seconds, which the worker extends for as long as it holds the message.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from serval.models.route import Track


@dataclass(frozen=True, slots=True)
class Message:
    """One delivery of a message about a request."""

    model: str
    request_id: str
    """Empty for a message that is not Serval's, which is deleted."""
    receipt: str
    """Names this delivery, until the message is visible again."""
    track: Track = "stable"
    """Whose queue it was in."""


class Inbox(Protocol):
    """The queues of a fleet's models; threads may call every method at once."""

    def receive(
        self,
        model: str,
        most: int,
        wait_seconds: int,
        visibility_seconds: int,
        track: Track = "stable",
    ) -> Sequence[Message]:
        """Receive up to ``most`` messages (1..10), waiting up to ``wait_seconds`` for the first.

        They are hidden from others for ``visibility_seconds``.
        """

    def hide(self, messages: Sequence[Message], seconds: int) -> None:
        """Hide messages for this many seconds from now; 0 makes them visible at once.

        Takes any number, of several models. Leaves alone those that are gone, or that others have
        received since.
        """

    def delete(self, messages: Sequence[Message]) -> None:
        """Delete messages: any number, of several models; those that are gone do no harm."""

    def send(self, model: str, request_id: str, track: Track) -> None:
        """Send a message about a request to a track's queue."""

    def dead_letter(self, model: str, request_id: str, reason: str) -> None:
        """Send the id and the reason to the model's dead-letter queue."""
