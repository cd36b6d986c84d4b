"""Runtimes: what executes an artifact.

A runtime raises ``ArtifactUnreadable`` when it cannot open an artifact and ``RuntimeFailed`` when
it fails on inputs that fit the signature; who called it knows the model's name and says the rest.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from serval.models.signature import TensorSpec
from serval.models.tensor import Tensor
from serval.models.version import Form, ModelVersion

if TYPE_CHECKING:
    from serval.tasks.task import Task


class Model(Protocol):
    """A loaded artifact."""

    def run(self, inputs: Sequence[Tensor], outputs: Sequence[TensorSpec]) -> list[Tensor]:
        """Run once on inputs that fit the signature."""


OpenModel = Callable[[ModelVersion, Path, Form | None], Model]
"""Opens a version's artifact, or another graph of its task; the form says which file that is."""


class ComposedModel(Model, Protocol):
    """A pipeline as a loaded model."""

    @property
    def task(self) -> "Task | None":
        """The task that it stands for; None: it has inputs of its own, or does not run here."""


class DescribedModel(Model, Protocol):
    """A loaded artifact that knows its own inputs and outputs."""

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """The inputs, in the artifact's order."""

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """The outputs, in the artifact's order."""


class ArtifactUnreadable(Exception):
    """The artifact is not one that the runtime can run."""


class OperatorMissing(ArtifactUnreadable):
    """The artifact is a graph, and this runtime has no kernel for one of its operators here."""


class RuntimeFailed(Exception):
    """The runtime failed on inputs that fit the signature."""
