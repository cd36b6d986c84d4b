"""The candidate of a rollout, before it is registered as a version."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from serval.bundles.uploads import Upload
from serval.bundles.used_versions import NO_FOLLOWERS, Followers, UsedVersion, version_of
from serval.errors import ModelNotFound
from serval.models.storage import staging_prefix
from serval.models.version import Form, ModelVersion, locate_published
from serval.rollouts.documents import TargetFleet, VerifiedUpload

DEFAULT_BATCH_SIZE = 32


@dataclass(frozen=True, slots=True)
class Candidate:
    """A version that is not registered yet, and where its files are until then."""

    record: ModelVersion
    locations: Mapping[str, tuple[str, str | None]]
    """Path → key and version id of its object; None for a version id if sha256 alone pins it."""
    fleet: TargetFleet | None = None
    """None if Lambda runs it."""
    used: tuple[UsedVersion, ...] = ()
    """What the steps of a pipeline call."""
    followers: Followers = NO_FOLLOWERS
    """Pipelines that would be answered by it."""

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> "Candidate":
        """Read a step's input: ``upload``, ``verified`` and, once they are made, ``forms``."""
        upload = Upload.from_json(event["upload"])
        verified = VerifiedUpload.from_json(event["verified"])
        forms = tuple(Form.from_json(form) for form in event.get("forms", ()))
        locations: dict[str, tuple[str, str | None]] = {
            path: (found.key, found.version_id) for path, found in upload.sources.items()
        }
        staged = staging_prefix(upload.model, upload.rollout)
        for form in forms:
            locations |= {file.path: (staged + file.path, None) for file in form.files}
        record = verified.candidate(upload.model, forms)
        return cls(record, locations, verified.fleet, upload.used, upload.followers)

    @property
    def golden(self) -> str | None:
        """The path of the golden requests, if the bundle has any."""
        path: str | None = self.record.bundle.get("golden")
        return path

    @property
    def tolerance(self) -> float | None:
        """How far floats may be from their expected value; None for their datatype's default."""
        tolerance = self.record.bundle.get("golden_tolerance")
        return None if tolerance is None else float(tolerance)

    @property
    def max_batch_size(self) -> int:
        """The most rows of one run."""
        batching = self.record.bundle.get("batching", {})
        return int(batching.get("max_batch_size", DEFAULT_BATCH_SIZE))

    def locate(self, record: ModelVersion, path: str) -> tuple[str, str | None]:
        """Return the key and the version id of one of its files."""
        if (record.model, record.version) != (self.record.model, self.record.version):
            return locate_published(record, path)
        return self.locations[path]

    def stable(self, model: str) -> str:
        """Return the version that the steps of a pipeline call where they pin none."""
        version = version_of((*self.used, *self.followers.used), model, None)
        if version is None:
            raise ModelNotFound(model)
        return version
