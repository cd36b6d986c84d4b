"""Wait only briefly for a function's log lines, since every answer waits for them."""

from serval_cli.local.launcher.emulator import Emulator

NAMES = ("lambda_runtime/Worker/_drain_stderr_bounded",)
SECONDS = (0.002, 0.001, 0.250)
"""Wait for the first line, for the next one, and for all; later lines join the next call's."""


def apply(emulator: Emulator) -> None:
    """Wait 2 ms for the first line, not 50."""
    emulator.lambda_runtime.Worker._drain_stderr_bounded.__defaults__ = SECONDS
