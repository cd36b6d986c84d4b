"""Where a worker finds what is to do; ``serval.aws.sqs.inbox`` keeps it in SQS, a queue per model.

A message holds only the request's id, and the row decides. One that was received is hidden from
other receivers for some seconds, which the worker extends for as long as it holds the message.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Message:
    """One message about a request, as one of its deliveries brought it."""

    model: str
    request_id: str
    """Empty if the message is none of ours: it is about no request, and is deleted."""
    receipt: str
    """Names this delivery; it ends with the message's being seen again."""


class Inbox(Protocol):
    """The queues of a fleet's models; every method may be called from many threads at once."""

    def receive(
        self, model: str, most: int, wait_seconds: int, visibility_seconds: int
    ) -> Sequence[Message]:
        """Take up to ``most`` messages (1..10), waiting for the first one up to ``wait_seconds``.

        Others receive them only when ``visibility_seconds`` have passed.
        """

    def hide(self, messages: Sequence[Message], seconds: int) -> None:
        """Let others receive them when so many seconds have passed from now; 0: at once.

        Messages may be of several models and any number; those that are gone, or that have been
        received by others meanwhile, are left alone.
        """

    def delete(self, messages: Sequence[Message]) -> None:
        """Delete them: of several models and any number; those that are gone are left alone."""

    def dead_letter(self, model: str, request_id: str, reason: str) -> None:
        """Send a message to the model's dead-letter queue: the id, and why it failed."""
