"""Scale-in protection of this ECS task, by the ECS agent.

Specification: "Amazon ECS task scale-in protection endpoint", Amazon ECS Developer Guide.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

PATH = "/task-protection/v1/state"
TIMEOUT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class EcsTask:
    """``TaskProtection`` of this task; a refusal is logged."""

    agent: str
    """Value of ``ECS_AGENT_URI``."""
    log: Callable[[str], object]
    timeout_seconds: float = TIMEOUT_SECONDS

    def protect(self, minutes: int) -> None:
        """Protect the task for so many minutes from now."""
        self._put({"ProtectionEnabled": True, "ExpiresInMinutes": minutes})

    def release(self) -> None:
        """End the protection."""
        self._put({"ProtectionEnabled": False})

    def _put(self, state: dict[str, Any]) -> None:
        try:
            answer = httpx.put(
                self.agent + PATH, json=state, timeout=self.timeout_seconds, trust_env=False
            )
            answer.raise_for_status()
        except httpx.HTTPError as error:
            # Losing it loses no request: a task that is stopped gives back what it holds.
            warning = {"level": "WARNING", "failed": "task protection", "error": str(error)}
            self.log(json.dumps(warning))
