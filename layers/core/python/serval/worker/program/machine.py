"""What a worker asks of its machine; ``serval.aws.ecs`` has the adapters."""

from dataclasses import dataclass, field
from typing import Protocol


class SpotNotices(Protocol):
    """Notices that the machine is about to be reclaimed."""

    def due(self) -> bool:
        """Return whether EC2 has given notice that it reclaims the machine within two minutes."""


class TaskProtection(Protocol):
    """Keeps the fleet's scale-in from stopping the worker."""

    def protect(self, minutes: int) -> None:
        """Protect the worker for so many minutes from now."""

    def release(self) -> None:
        """End the protection."""


class NoTask:
    """``TaskProtection`` of a worker outside ECS."""

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
    """When it was last requested; None: it is not held."""

    def hold(self, working: bool, now: float) -> None:
        """Request, renew or end the protection."""
        if working and (self._since is None or now - self._since >= RENEWED_SECONDS):
            self.task.protect(PROTECTED_MINUTES)
            self._since = now
        elif not working and self._since is not None:
            self.task.release()
            self._since = None
