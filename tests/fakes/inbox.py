"""Queues in memory that hide messages by a clock, as a worker receives from them."""

import itertools
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from serval.models.route import Track
from serval.requests.inbox import Message
from tests.fakes.requests import (
    START,
)

SHORT_POLL_SECONDS = 0.005
"""How long a queue waits that is asked to wait."""


class Unanswered(Exception):
    """What these fakes raise when AWS does not answer."""


@dataclass
class HandClock:
    """Moves when a test moves it."""

    seconds: float = 0.0

    def __call__(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    def pass_seconds(self, seconds: float) -> None:
        self.seconds += seconds


@dataclass
class WallClock(HandClock):
    """Shows the time that it is."""

    def __getattribute__(self, name: str) -> Any:
        return time.monotonic() if name == "seconds" else super().__getattribute__(name)


@dataclass
class Sent:
    """One message in a queue."""

    request_id: str
    visible_at: float = 0.0
    receipt: str = ""
    received: int = 0


def name_of(model: str, track: Track) -> str:
    """Name a queue."""
    return model if track == "stable" else f"{model}-candidate"


@dataclass
class InMemoryInbox:
    """``Inbox`` with SQS's visibility times: only the newest receipt of a message is good."""

    clock: HandClock
    queues: defaultdict[str, list[Sent]] = field(default_factory=lambda: defaultdict(list))
    dead: list[tuple[str, str, str]] = field(default_factory=list)
    """Model, id and reason of what was dead-lettered."""
    failing: set[str] = field(default_factory=set)
    """Names of methods that are not answered."""
    _receipts: Any = field(default_factory=itertools.count)
    _arrived: threading.Condition = field(default_factory=threading.Condition)

    def send(self, model: str, request_id: str, track: Track = "stable") -> None:
        self._answer("send")
        with self._arrived:
            self.queues[name_of(model, track)].append(Sent(request_id))
            self._arrived.notify_all()

    def visible(self, model: str, track: Track = "stable") -> list[str]:
        """Name the requests whose messages could be received now."""
        own = self.queues[name_of(model, track)]
        return [m.request_id for m in own if m.visible_at <= self.clock.seconds]

    def receive(
        self,
        model: str,
        most: int,
        wait_seconds: int,
        visibility_seconds: int,
        track: Track = "stable",
    ) -> Sequence[Message]:
        self._answer("receive")
        assert 1 <= most <= 10
        if wait_seconds and not self.visible(model, track):
            with self._arrived:
                self._arrived.wait(SHORT_POLL_SECONDS)
        own = self.queues[name_of(model, track)]
        found = [m for m in own if m.visible_at <= self.clock.seconds][:most]
        for one in found:
            one.receipt = f"{name_of(model, track)}/{next(self._receipts)}"
            one.visible_at = self.clock.seconds + visibility_seconds
            one.received += 1
        return [Message(model, one.request_id, one.receipt, track) for one in found]

    def hide(self, messages: Sequence[Message], seconds: int) -> None:
        self._answer("hide")
        for one in self._found(messages):
            if one.visible_at > self.clock.seconds:
                one.visible_at = self.clock.seconds + seconds

    def delete(self, messages: Sequence[Message]) -> None:
        self._answer("delete")
        for message in messages:
            gone = self._found([message])
            name = name_of(message.model, message.track)
            self.queues[name] = [one for one in self.queues[name] if one not in gone]

    def dead_letter(self, model: str, request_id: str, reason: str) -> None:
        self._answer("dead_letter")
        self.dead.append((model, request_id, reason))

    def _found(self, messages: Sequence[Message]) -> list[Sent]:
        receipts = {(name_of(one.model, one.track), one.receipt) for one in messages}
        return [
            one
            for name, queue in self.queues.items()
            for one in queue
            if (name, one.receipt) in receipts
        ]

    def _answer(self, method: str) -> None:
        if method in self.failing:
            raise Unanswered(f"{method} is not answered")
