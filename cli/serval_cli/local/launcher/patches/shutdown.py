"""A short wait for open connections when the emulator ends: it keeps nothing anyway."""

from serval_cli.local.launcher.emulator import Emulator

NAMES = ("hypercorn_config/Config/graceful_timeout",)
SECONDS = 0.5


def apply(emulator: Emulator) -> None:
    """Wait half a second, not three."""
    emulator.hypercorn_config.Config.graceful_timeout = SECONDS
