"""The program of the shard process: one shard after another, until its worker is gone."""

import os
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from serval.batch.shard.tasks import TaskOutcome
from serval.worker.program.faults import Retries
from serval.worker.shards.line import Channel, ChannelClosed, ChannelMessage

ORDER_BYTES = 64


@dataclass(frozen=True, slots=True)
class ShardProgram:
    """Works on the shards that come over the channel."""

    channel: Channel
    work: Callable[[Mapping[str, Any]], TaskOutcome]
    retries: Retries

    def run(self) -> None:
        """Work until the channel is closed."""
        with suppress(ChannelClosed):
            while True:
                body = self.channel.receive().head["shard"]
                self.channel.send(ChannelMessage({"ended": self._work(body)}))

    def _work(self, body: Mapping[str, Any]) -> TaskOutcome:
        try:
            return self.work(body)
        except self.retries.errors as error:
            self.retries.warn(f"a shard for {body['model']!r}", error)
            return "unanswered"


def watch(orders: int, stopping: threading.Event) -> None:
    """Stop when the worker says so; exit at once when it is gone."""
    # A buffered file would be locked by this thread, and Python would abort on its way out.
    while os.read(orders, ORDER_BYTES):
        stopping.set()
    os._exit(1)
