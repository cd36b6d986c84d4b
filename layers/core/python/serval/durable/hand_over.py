"""Hand a durable pipeline's request to its state machine."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from serval.errors import UnsupportedFeature
from serval.models.signature import TensorSpec
from serval.models.tensor import Tensor
from serval.models.version import ModelVersion


class Machine(Protocol):
    """The state machine of durable pipelines."""

    def start(self, request_id: str, attempt: int) -> None:
        """Start an execution for an attempt, once."""


@dataclass(frozen=True, slots=True)
class DurablePipeline:
    """A durable pipeline as a loaded model; it takes no memory, and nothing runs here."""

    record: ModelVersion
    machine: Machine | None = None
    task: None = None

    def run(self, inputs: Sequence[Tensor], outputs: Sequence[TensorSpec]) -> list[Tensor]:
        """Refuse to run in one process.

        Raises
        ------
        UnsupportedFeature
            Always.
        """
        raise UnsupportedFeature(
            f"pipeline {self.record.model!r} version {self.record.version!r} is durable: it has "
            f"calls and async requests, as POST /async/models/{self.record.model}/infer, and "
            "batch jobs, and no streams"
        )

    def hand_over(self, request_id: str, attempt: int) -> None:
        """Have the state machine make an attempt at a request."""
        if self.machine is None:
            self.run((), ())
        else:
            self.machine.start(request_id, attempt)
