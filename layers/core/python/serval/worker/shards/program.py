"""The program of the shard process: one shard after another, until its worker is gone."""

import os
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serval.batch.shard.tasks import TaskOutcome
from serval.worker.program.faults import Retries
from serval.worker.shards.line import Channel, ChannelClosed, ChannelMessage

OOM_SCORE = Path("/proc/self/oom_score_adj")
FIRST_TO_GO = "1000"
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


def prefer_for_oom_kill(score: Path = OOM_SCORE) -> None:
    """Make Linux kill this process before the worker when memory runs out."""
    with suppress(OSError):
        score.write_text(FIRST_TO_GO)
