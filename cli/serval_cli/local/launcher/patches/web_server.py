"""Serve by uvicorn and httptools, which take less of a request than hypercorn does.

At shutdown they wait only briefly for open connections, since the emulator keeps nothing.
"""

from typing import Any

import uvicorn

from serval_cli.local.launcher.emulator import Emulator

NAMES = ("hypercorn_asyncio/serve",)
SHUTDOWN_SECONDS = 1


def apply(emulator: Emulator) -> None:
    """Have the emulator's application served at the address that it was told."""
    emulator.hypercorn_asyncio.serve = serve


async def serve(application: Any, config: Any) -> None:
    """Serve until a signal arrives; ``config`` is hypercorn's."""
    host, _, port = config.bind[0].rpartition(":")
    settings = uvicorn.Config(
        application,
        host,
        int(port),
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=config.keep_alive_timeout,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    await uvicorn.Server(settings).serve()
