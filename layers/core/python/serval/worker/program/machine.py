"""What a worker asks of the machine that it runs on; ``serval.aws`` asks EC2 and ECS."""

from dataclasses import dataclass, field
from typing import Protocol


class SpotNotices(Protocol):
    """Whether the machine is about to be reclaimed."""

    def due(self) -> bool:
        """Tell whether EC2 has given notice: the machine goes two minutes later at the latest."""


class TaskProtection(Protocol):
    """Keeps the worker's machine from being taken away while the fleet scales in."""

    def protect(self, minutes: int) -> None:
        """Protect the worker for so many minutes from now."""

    def release(self) -> None:
        """Let it be taken away."""


class NoTask:
    """``TaskProtection`` of a worker that is no ECS task."""

    def protect(self, minutes: int) -> None:
        """Do nothing."""

    def release(self) -> None:
        """Do nothing."""


PROTECTED_MINUTES = 30
RENEWED_SECONDS = 600.0


@dataclass(slots=True)
class Protection:
    """Holds the worker's protection while it has work, and no longer."""

    task: TaskProtection
    _since: float | None = field(default=None)
    """When it was last asked for; None: it is not held."""

    def hold(self, working: bool, now: float) -> None:
        """Ask for protection, renew it, or let it go."""
        if working and (self._since is None or now - self._since >= RENEWED_SECONDS):
            self.task.protect(PROTECTED_MINUTES)
            self._since = now
        elif not working and self._since is not None:
            self.task.release()
            self._since = None
