"""Long polls of a queue answer soon after a message is there: a tenth of a second is long here."""

import asyncio
from typing import Any

from serval_cli.local.launcher.emulator import Emulator

NAMES = ("sqs/asyncio/sleep", "sqs/asyncio/iscoroutine")
LOOK_SECONDS = 0.01


class Impatient:
    """``asyncio`` as the queue service sees it, whose sleeps between two looks are shorter."""

    iscoroutine = staticmethod(asyncio.iscoroutine)

    @staticmethod
    async def sleep(seconds: float) -> None:
        """Sleep until the next look."""
        await asyncio.sleep(min(seconds, LOOK_SECONDS))


def apply(emulator: Emulator) -> None:
    """Look every 10 ms, not every 100."""
    sqs: Any = emulator.sqs
    sqs.asyncio = Impatient
