"""Register a checked upload as a version, and give it its first share of the traffic."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from serval.bundles.manifest import Manifest
from serval.bundles.uploads import StoredObject, Upload
from serval.clock import timestamp
from serval.errors import ModelNotFound, ModelVersionNotFound
from serval.models.registry import stable_version
from serval.models.server_declaration import rollout_note
from serval.models.storage import record_key, staging_prefix, version_prefix
from serval.models.version import BundleFile, Form, ModelVersion
from serval.rollouts.comparison import signature_changes
from serval.rollouts.control import RolloutControl
from serval.rollouts.documents import GoldenReport, OptimisedForms, VerifiedUpload
from serval.rollouts.policy.canary_policy import canary_policy

FIRST_LOOK_SECONDS = 2


class PublishedArtifacts(Protocol):
    """Writes under ``models/``, where nothing is ever overwritten."""

    def find(self, key: str) -> StoredObject | None:
        """Return the newest version of an object, or None if it does not exist."""

    def publish(self, source: StoredObject, file: BundleFile, key: str) -> None:
        """Copy one version of an object to ``key``; an object already there must be the same."""

    def write(self, key: str, text: str) -> None:
        """Write an object, or replace it."""


class StagedFormMissing(Exception):
    """A form that ``optimise`` staged no longer exists."""


@dataclass(frozen=True, slots=True)
class Register:
    """Registers uploads; every part of it may be repeated."""

    artifacts: PublishedArtifacts
    control: RolloutControl

    def register(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Register the upload that the steps before have checked.

        Parameters
        ----------
        event
            ``upload`` and what the steps found: ``verified``, ``optimised`` and ``golden``.

        Returns
        -------
        dict
            ``outcome``: ``refused`` with ``reasons``, or ``passed`` with the rollout's ``status``
            and ``wait_seconds`` until its first evaluation.
        """
        upload = Upload.from_json(event["upload"])
        verified = VerifiedUpload.from_json(event["verified"])
        optimised = OptimisedForms.from_json(event["optimised"])
        golden = GoldenReport.from_json(event["golden"]).to_json()
        rollout = self.control.registry.rollout(upload.model, upload.rollout)
        if rollout is None or rollout.ended:
            # If it was ended by hand, the share that an earlier attempt gave it may remain.
            status = "refused" if rollout is None else self.control.reconcile(rollout).status
            return {"outcome": "passed", "status": status, "wait_seconds": 0}
        if changes := self._breaking_changes(upload.model, verified):
            return {"outcome": "refused", "reasons": changes}
        note = rollout_note(verified.bundle)
        rollout = self.control.note(
            rollout,
            step="registering",
            details={"golden": golden, "notes": [*optimised.notes, *filter(None, [note])]},
        )
        version = self._register_version(upload, verified, optimised.forms, golden)
        begun = self.control.begin(rollout, version.version, canary_policy(verified.bundle))
        return {"outcome": "passed", "status": begun.status, "wait_seconds": FIRST_LOOK_SECONDS}

    def _register_version(
        self,
        upload: Upload,
        verified: VerifiedUpload,
        staged: tuple[Form, ...],
        measurements: Mapping[str, Any],
    ) -> ModelVersion:
        """Publish and record the version; the same bytes are the same version."""
        registry = self.control.registry
        digest = Manifest(upload.model, verified.files).digest
        number = registry.reserve(upload.model, digest)
        try:
            return registry.version(upload.model, number)
        except ModelVersionNotFound:
            pass
        version = replace(
            verified.candidate(upload.model),
            version=number,
            digest=digest,
            created=timestamp(self.control.clock()),
            forms=tuple(move_form(form, upload.rollout) for form in staged),
            measurements=measurements,
        )
        self._publish(upload, staged, version)
        self.artifacts.write(record_key(version.model, version.version), version.to_json())
        registry.record(version)
        return version

    def _breaking_changes(self, model: str, verified: VerifiedUpload) -> list[str]:
        """List the changes to the stable version's signature that the bundle does not allow."""
        if verified.bundle["rollout"]["allow_signature_change"]:
            return []
        try:
            stable = stable_version(self.control.registry, model)
        except ModelNotFound:
            return []
        changes = signature_changes(stable.signature, verified.signature)
        if not changes:
            return []
        return [
            *changes,
            f"version {stable.version} has another signature, so its callers would break: set "
            "'rollout: {allow_signature_change: true}' if that is meant",
        ]

    def _publish(self, upload: Upload, staged: Sequence[Form], version: ModelVersion) -> None:
        """Copy the files and the forms to the version's immutable prefix."""
        prefix = version_prefix(version.model, version.version)
        for file in version.files:
            self.artifacts.publish(upload.sources[file.path], file, prefix + file.path)
        from_prefix = staging_prefix(upload.model, upload.rollout)
        for form, target in zip(staged, version.forms, strict=True):
            for file, copy in zip(form.files, target.files, strict=True):
                found = self.artifacts.find(from_prefix + file.path)
                if found is None:
                    raise StagedFormMissing(f"{from_prefix}{file.path} is gone")
                self.artifacts.publish(found, copy, prefix + copy.path)


def move_form(form: Form, rollout: str) -> Form:
    """Move a form to a folder of its rollout's own.

    The optimiser's bytes may differ from run to run, and the forms of a rollout that died before
    it recorded its version must not be overwritten.
    """

    def move(path: str) -> str:
        return path.replace("optimised/", f"optimised/{rollout}/", 1)

    files = tuple(replace(file, path=move(file.path)) for file in form.files)
    return replace(form, artifact=move(form.artifact), files=files)
