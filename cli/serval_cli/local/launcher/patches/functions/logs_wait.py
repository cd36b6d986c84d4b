"""A short wait for a function's log lines: every answer pays for it."""

from serval_cli.local.launcher.emulator import Emulator

NAMES = ("lambda_runtime/Worker/_drain_stderr_bounded",)
SECONDS = (0.002, 0.001, 0.250)
"""For the first line, for the next one, and for all of them; a later line joins the next call's."""


def apply(emulator: Emulator) -> None:
    """Wait 2 ms for the first line, not 50."""
    emulator.lambda_runtime.Worker._drain_stderr_bounded.__defaults__ = SECONDS
