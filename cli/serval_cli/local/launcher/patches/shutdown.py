"""Wait only briefly for open connections at shutdown, since the emulator keeps nothing."""

from serval_cli.local.launcher.emulator import Emulator

NAMES = ("hypercorn_config/Config/graceful_timeout",)
SECONDS = 0.5


def apply(emulator: Emulator) -> None:
    """Wait half a second, not three."""
    emulator.hypercorn_config.Config.graceful_timeout = SECONDS
