"""How a model's requests are gathered; functions read it that have no NumPy."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """How a model's requests are gathered: the ``batching`` section of its bundle."""

    rows: int = 32
    """On axis 0 of one run; a request with more rows runs by itself."""
    wait_seconds: float = 0.02
    """How long a request may wait for others."""
    weight: int = 1

    @classmethod
    def of_bundle(cls, bundle: Mapping[str, Any]) -> "BatchLimits":
        """Read the limits; bundles from before the section existed get the defaults."""
        section = bundle.get("batching", {})
        defaults = cls()
        return cls(
            rows=section.get("max_batch_size", defaults.rows),
            wait_seconds=section.get("max_wait_ms", defaults.wait_seconds * 1e3) / 1e3,
            weight=section.get("weight", defaults.weight),
        )
