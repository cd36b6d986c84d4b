"""Failures of steps as Step Functions catches them, and how to tell them apart."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

OUT_OF_MEMORY = re.compile(r"signal: killed|OutOfMemory|MemoryError|\bbad_alloc\b|no memory left")
TIMED_OUT = re.compile(r"timed out|timeout", re.IGNORECASE)
THROTTLED = re.compile(r"TooManyRequests|Rate Exceeded|Throttl", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class StepFailure:
    """The error that ended a step."""

    kind: str
    message: str

    @classmethod
    def from_json(cls, error: Mapping[str, Any]) -> "StepFailure":
        """Read ``Error`` and ``Cause``; the cause of a function's error is JSON itself."""
        return cls(str(error.get("Error", "")), message_of(str(error.get("Cause", ""))))

    def matches(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Search for a pattern in kind and message."""
        return pattern.search(f"{self.kind}: {self.message}")

    def __str__(self) -> str:
        return ": ".join(part for part in (self.kind, self.message) if part)


def message_of(cause: str) -> str:
    """Return the message of a function's exception, or the cause as it stands."""
    try:
        value = json.loads(cause)
    except ValueError:
        return cause
    return str(value.get("errorMessage", cause)) if isinstance(value, dict) else cause
