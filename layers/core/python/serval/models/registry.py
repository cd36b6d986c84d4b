"""What Serval asks of a registry; ``serval.aws.dynamodb.registry`` keeps it in DynamoDB."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

from serval.models.route import Route
from serval.models.version import ModelVersion

RolloutStatus = Literal["running", "promoted", "rolled back", "refused", "superseded"]


RolloutStep = Literal[
    "claimed", "verifying", "optimising", "checking golden", "registering", "canary", "ended"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """One upload's way to becoming the stable version, or its refusal with the reason in words."""

    model: str
    rollout: str
    """Id; the upload's own where it has one."""
    status: RolloutStatus
    created: str
    updated: str
    version: str | None = None
    reason: str = ""
    """Why it ended, or why it stands where it stands."""
    step: RolloutStep = "claimed"
    percent: int = 0
    """Share of the traffic that the candidate has been given."""
    percent_since: str = ""
    """When it was given, UTC, ISO 8601."""
    paused: bool = False
    baseline: str | None = None
    """The stable version that it is measured against, and goes back to."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """What the steps found out: the golden check's report, notes, metrics of both versions."""
    revision: int = field(default=0, compare=False)
    """Grows by one with every write of the record; writes are conditional on it."""

    @property
    def ended(self) -> bool:
        """Tell whether there is a verdict."""
        return self.status != "running"

    def to_attributes(self) -> dict[str, Any]:
        """Give the registry's item, keys left out."""
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
        """Read what ``to_attributes`` gave."""
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
        """Give the record as it is once it has been written."""
        return replace(self, revision=self.revision + 1)


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

    def rollout(self, model: str, rollout: str) -> Rollout | None:
        """Give one rollout; None if there is none of that id."""


class ModelRegistration(Protocol):
    """Writes of a registration; each is conditional and may be repeated after a crash."""

    def reserve(self, model: str, digest: str) -> str:
        """Assign the next version to a digest; the same digest always gets the same version."""

    def record(self, version: ModelVersion) -> None:
        """Record a version and list its model; a version once recorded is never changed."""

    def set_route(
        self,
        model: str,
        route: Route,
        expected_revision: int | None,
        rollouts: Sequence[Rollout] = (),
    ) -> bool:
        """Write the route and what it means to rollouts, or nothing of it.

        Only if the route's revision still is ``expected_revision`` (None: there is none), and
        each rollout's record could be written by ``record_rollout``.

        Returns
        -------
        bool
            False when another writer was first; nothing is written then.
        """

    def record_rollout(self, rollout: Rollout) -> bool:
        """Write a rollout's record with the next revision, unless it has changed or ended.

        Returns
        -------
        bool
            False when another writer was first, or there is a verdict: that is never changed.
            Nothing is written then.
        """


class Registry(ModelRegistry, ModelRegistration, Protocol):
    """Reads and writes of the registry."""


def stable_version(registry: ModelRegistry, model: str) -> ModelVersion:
    """Return a model's stable version, or raise ``ModelNotFound``."""
    return registry.version(model, registry.route(model).stable)
