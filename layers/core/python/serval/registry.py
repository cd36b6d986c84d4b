"""What Serval asks of a registry; ``serval.aws.registry`` keeps it in DynamoDB."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from serval.routes import Route
from serval.versions import ModelVersion

RolloutStatus = Literal["running", "promoted", "rolled back", "refused", "superseded"]


@dataclass(frozen=True, slots=True)
class Rollout:
    """One upload's way to becoming a version, or its refusal with the reason in words."""

    model: str
    rollout: str
    """Id; the upload's own where it has one."""
    status: RolloutStatus
    created: str
    updated: str
    version: str | None = None
    reason: str = ""


class ModelRegistry(Protocol):
    """Reads: which models there are, what their routes and versions are."""

    def models(self) -> Sequence[str]:
        """List the models that have a route, by name."""

    def route(self, model: str) -> Route:
        """Give a model's route, or raise ``ModelNotFound``."""

    def version(self, model: str, version: str) -> ModelVersion:
        """Give a version, or raise ``ModelVersionNotFound``."""

    def versions(self, model: str) -> Sequence[ModelVersion]:
        """List a model's versions, oldest first; empty for an unknown model."""

    def rollouts(self, model: str) -> Sequence[Rollout]:
        """List a model's rollouts, newest first; empty for an unknown model."""


class ModelRegistration(Protocol):
    """Writes of a registration; each is conditional and may be repeated after a crash."""

    def reserve(self, model: str, digest: str) -> str:
        """Assign the next version to a digest; the same digest always gets the same version."""

    def record(self, version: ModelVersion) -> None:
        """Record a version and list its model; a version once recorded is never changed."""

    def set_route(self, model: str, route: Route, expected_revision: int | None) -> bool:
        """Write the route if its revision still is ``expected_revision`` (None: there is none).

        Returns
        -------
        bool
            False when another writer was first; nothing is written then.
        """

    def record_rollout(self, rollout: Rollout) -> None:
        """Write a rollout's state."""
