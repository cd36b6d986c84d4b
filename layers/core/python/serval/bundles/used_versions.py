"""The versions that a pipeline's steps call at the moment, as a rollout's steps hand them on."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from serval.models.storage import record_key


@dataclass(frozen=True, slots=True)
class UsedVersion:
    """A version that a step calls."""

    model: str
    version: str
    pinned: bool
    """Whether a step asks for it by its number; False: it is the model's stable one."""
    size_bytes: int = 0
    """Of its record in the artifact bucket."""

    @property
    def url_name(self) -> str:
        """Name the URL of its record, apart from the paths of a bundle."""
        return f"/{record_key(self.model, self.version)}"

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read what ``to_json`` returned."""
        return cls(**value)


@dataclass(frozen=True, slots=True)
class Followers:
    """Pipelines whose answers change with the stable version of a model."""

    pipelines: tuple[UsedVersion, ...] = ()
    """Those that have golden requests, by their stable versions."""
    used: tuple[UsedVersion, ...] = ()
    """What their steps call."""
    left_out: int = 0
    """Pipelines that are too many to be looked at."""

    def to_json(self) -> dict[str, Any]:
        """Return them as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Followers":
        """Read what ``to_json`` returned."""
        pipelines, used = (
            tuple(UsedVersion.from_json(each) for each in value.get(key, ()))
            for key in ("pipelines", "used")
        )
        return cls(pipelines, used, value.get("left_out", 0))


NO_FOLLOWERS = Followers()


def version_of(used: Iterable[UsedVersion], model: str, pinned: str | None) -> str | None:
    """Return the version that a step calls; None if it is not among those that were found."""
    for each in used:
        if each.model == model and (each.version == pinned if pinned else not each.pinned):
            return each.version
    return None
