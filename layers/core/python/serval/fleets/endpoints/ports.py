"""What dispatching to SageMaker needs of an endpoint; ``serval.aws.sagemaker_endpoints`` has it."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

WAITING = timedelta(hours=2)
"""How long an inference may wait at an endpoint, for one before it and for an instance to start."""
RUNNING = timedelta(hours=1)
"""How long it may run then: the most that SageMaker allows, which ends it after 15 minutes if it is
told nothing."""
INLINE_BYTES = 128_000
"""The largest body that an endpoint takes with the call itself."""


@dataclass(frozen=True, slots=True)
class Submitted:
    """Where an endpoint will write: keys of the data bucket, of which one appears."""

    output_key: str
    failure_key: str
    """Empty if the endpoint is not configured to write what went wrong."""


class Endpoints(Protocol):
    """The async endpoints of the fleets of kind ``sagemaker``."""

    def submit(
        self, fleet: str, inference_id: str, payload: str | bytes, attributes: str
    ) -> Submitted:
        """Give an endpoint an inference: a key of the data bucket, or the body itself.

        The container gets ``attributes`` as they are: ASCII, at most 1,024 characters.
        """

    def capacity(self, fleet: str) -> int:
        """Count the instances that an endpoint has at the moment."""
