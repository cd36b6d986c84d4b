"""Processes that a server starts: what they see of it, which goes first, and how one ended."""

import ctypes
import signal
from contextlib import suppress
from pathlib import Path

OOM_SCORE = Path("/proc/self/oom_score_adj")
FIRST_TO_GO = "1000"
PR_SET_DUMPABLE = 4
"""prctl(2)."""


def describe_exit(status: int) -> str:
    """Describe the exit status of a process."""
    if status >= 0:
        return f"ended by itself with status {status}"
    name = signal.Signals(-status).name
    memory = ", as when memory runs out" if -status == signal.SIGKILL else ""
    return f"was ended by {name}{memory}"


def hide_environment() -> None:
    """Hide this process's environment and memory from others of the same user, as Linux can.

    Whoever is root sees them nevertheless.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def prefer_for_oom_kill(score: Path = OOM_SCORE) -> None:
    """Make Linux kill this process before the one that started it when memory runs out."""
    with suppress(OSError):
        score.write_text(FIRST_TO_GO)
