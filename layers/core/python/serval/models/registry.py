"""The registry's port and its records; ``serval.aws.dynamodb.registry`` keeps them in DynamoDB."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from serval.models.rollout_words import RolloutStatus, RolloutStep
from serval.models.route import Route
from serval.models.version import ModelVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """The record of a rollout: where it stands, or how it ended and why."""

    model: str
    rollout: str
    """Its id, which is the upload's if it has one."""
    status: RolloutStatus
    created: str
    updated: str
    version: str | None = None
    reason: str = ""
    """Why it ended, or what it waits for."""
    step: RolloutStep = "claimed"
    percent: int = 0
    """Share of the traffic that the candidate has been given."""
    percent_since: str = ""
    """When it was given, UTC, ISO 8601."""
    paused: bool = False
    baseline: str | None = None
    """The stable version to measure it against, and to roll back to."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """Results of the steps: the golden report, notes, metrics of both versions."""
    revision: int = field(default=0, compare=False)
    """Grows by one with every write, which is conditional on it."""

    @property
    def ended(self) -> bool:
        """Whether the rollout has a verdict."""
        return self.status != "running"

    def to_attributes(self) -> dict[str, Any]:
        """Return the registry's item without its keys."""
        attributes = {
            "status": self.status,
            "reason": self.reason,
            "created": self.created,
            "updated": self.updated,
            "version": self.version,
            "step": self.step,
            "percent": self.percent,
            "percent_since": self.percent_since,
            "paused": self.paused,
            "baseline": self.baseline,
            "details": json.dumps(self.details),
            "revision": self.revision,
        }
        return {name: value for name, value in attributes.items() if value is not None}

    @classmethod
    def from_attributes(cls, model: str, rollout: str, attributes: Mapping[str, Any]) -> "Rollout":
        """Read what ``to_attributes`` returned."""
        return cls(
            model=model,
            rollout=rollout,
            status=attributes["status"],
            created=attributes["created"],
            updated=attributes["updated"],
            version=attributes.get("version"),
            reason=attributes.get("reason", ""),
            step=attributes.get("step", "claimed"),
            percent=int(attributes.get("percent", 0)),
            percent_since=attributes.get("percent_since", ""),
            paused=bool(attributes.get("paused", False)),
            baseline=attributes.get("baseline"),
            details=json.loads(attributes.get("details", "{}")),
            revision=int(attributes.get("revision", 0)),
        )

    @property
    def written(self) -> "Rollout":
        """The record after its next write."""
        return replace(self, revision=self.revision + 1)


class ModelRegistry(Protocol):
    """Reads of models, routes, versions and rollouts."""

    def models(self) -> Sequence[str]:
        """List the models that have a route, by name."""

    def route(self, model: str) -> Route:
        """Read a model's route, or raise ``ModelNotFound``."""

    def version(self, model: str, version: str) -> ModelVersion:
        """Read a version, or raise ``ModelVersionNotFound``."""

    def versions(self, model: str) -> Sequence[ModelVersion]:
        """List a model's versions, oldest first; empty for an unknown model."""

    def rollouts(self, model: str) -> Sequence[Rollout]:
        """List a model's rollouts, newest first; empty for an unknown model."""

    def rollout(self, model: str, rollout: str) -> Rollout | None:
        """Read a rollout, or return None if there is none of that id."""


class ModelRegistration(Protocol):
    """Writes of versions, routes and rollouts; all conditional, and safe to repeat."""

    def reserve(self, model: str, digest: str) -> str:
        """Assign the next number to a digest; the same digest always gets the same number."""

    def record(self, version: ModelVersion) -> None:
        """Record a version and list its model; a recorded version never changes."""

    def set_route(
        self,
        model: str,
        route: Route,
        expected_revision: int | None,
        rollouts: Sequence[Rollout] = (),
    ) -> bool:
        """Write the route and the records of its rollouts in one transaction.

        The route's revision must still be ``expected_revision`` (None for no route), and each
        record must be one that ``record_rollout`` would write.

        Returns
        -------
        bool
            False if another writer was first, and nothing is written.
        """

    def record_rollout(self, rollout: Rollout) -> bool:
        """Write a rollout's record with the next revision.

        Returns
        -------
        bool
            False if another writer was first, or the rollout has a verdict, which never changes.
        """


class Registry(ModelRegistry, ModelRegistration, Protocol):
    """Reads and writes of the registry."""


def stable_version(registry: ModelRegistry, model: str) -> ModelVersion:
    """Return a model's stable version, or raise ``ModelNotFound``."""
    return registry.version(model, registry.route(model).stable)
