"""Ports of SageMaker endpoints."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

WAITING = timedelta(hours=2)
"""How long an inference may wait at an endpoint, for earlier ones and for an instance to start."""
RUNNING = timedelta(hours=1)
"""How long it may then run: the most that SageMaker allows; its default is 15 minutes."""


@dataclass(frozen=True, slots=True)
class OutputKeys:
    """Where an endpoint will write in the data bucket; one of the two objects appears."""

    output_key: str
    failure_key: str
    """Empty if the endpoint is not configured to write failures."""


class Endpoints(Protocol):
    """The async endpoints of the fleets of kind ``sagemaker``."""

    def submit(
        self, fleet: str, inference_id: str, payload: str | bytes, attributes: str
    ) -> OutputKeys:
        """Submit an inference: a key of the data bucket, or the body itself.

        The container receives ``attributes`` unchanged: ASCII, at most 1,024 characters.
        """

    def capacity(self, fleet: str) -> int:
        """Count the instances that an endpoint has now."""
