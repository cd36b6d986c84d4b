"""Register: a checked upload becomes a version and gets its first share of the traffic."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from serval.bundles.manifest import Manifest
from serval.bundles.uploads import StoredObject, Upload
from serval.clock import timestamp
from serval.errors import ModelNotFound, ModelVersionNotFound
from serval.models.signature import Signature
from serval.models.storage import record_key, staging_prefix, version_prefix
from serval.models.version import BundleFile, Form, ModelVersion, runtime_of
from serval.rollouts.comparison import signature_changes
from serval.rollouts.control import RolloutControl
from serval.rollouts.policy.from_bundle import canary_policy

FIRST_LOOK_SECONDS = 2


class PublishedArtifacts(Protocol):
    """Writes under ``models/``, where nothing is ever overwritten."""

    def find(self, key: str) -> StoredObject | None:
        """Give the newest version of an object; None if there is none."""

    def publish(self, source: StoredObject, file: BundleFile, key: str) -> None:
        """Copy one version of an object to ``key``; what is there already must be the same."""

    def write(self, key: str, text: str) -> None:
        """Write an object; what is there already is replaced."""


class StagedFormMissing(Exception):
    """A form that ``optimise`` made is gone from the staging prefix."""


@dataclass(frozen=True, slots=True)
class Register:
    """Everything that registering a version needs; every step may be repeated."""

    artifacts: PublishedArtifacts
    control: RolloutControl

    def register(
        self,
        upload: Upload,
        verified: Mapping[str, Any],
        optimised: Mapping[str, Any],
        golden: Mapping[str, Any],
    ) -> dict[str, Any]:
        """Register what the steps before have checked.

        Returns
        -------
        dict
            ``outcome``: ``refused`` with ``reasons``, or ``passed`` with the rollout's ``status``
            and ``wait_seconds`` until its first evaluation.
        """
        registry = self.control.registry
        rollout = registry.rollout(upload.model, upload.rollout)
        if rollout is None or rollout.ended:
            # One that was ended by hand may still hold the share that an earlier attempt gave it.
            status = "refused" if rollout is None else self.control.reconcile(rollout).status
            return {"outcome": "passed", "status": status, "wait_seconds": 0}
        bundle = verified["bundle"]
        signature = Signature.from_json(verified["signature"])
        if changes := self._changes(upload.model, bundle, signature):
            return {"outcome": "refused", "reasons": changes}
        rollout = self.control.note(
            rollout, step="registering", details={"golden": golden, "notes": optimised["notes"]}
        )
        version = self._version(upload, verified, optimised, golden)
        begun = self.control.begin(rollout, version.version, canary_policy(bundle))
        return {"outcome": "passed", "status": begun.status, "wait_seconds": FIRST_LOOK_SECONDS}

    def _version(
        self,
        upload: Upload,
        verified: Mapping[str, Any],
        optimised: Mapping[str, Any],
        golden: Mapping[str, Any],
    ) -> ModelVersion:
        """Publish and record the version; the same bytes give the one that is there already."""
        registry = self.control.registry
        manifest = Manifest(upload.model, tuple(BundleFile(**file) for file in verified["files"]))
        number = registry.reserve(upload.model, manifest.digest)
        try:
            return registry.version(upload.model, number)
        except ModelVersionNotFound:
            pass
        staged = tuple(Form.from_json(form) for form in optimised["forms"])
        version = ModelVersion(
            model=upload.model,
            version=number,
            digest=manifest.digest,
            created=timestamp(self.control.clock()),
            artifact=verified["artifact"],
            artifact_files=tuple(verified["artifact_files"]),
            files=manifest.files,
            signature=Signature.from_json(verified["signature"]),
            runtime=runtime_of(verified["bundle"]),
            bundle=verified["bundle"],
            forms=tuple(settled(form, upload.rollout) for form in staged),
            measurements=golden,
        )
        self._publish(upload, staged, version)
        self.artifacts.write(record_key(version.model, version.version), version.to_json())
        registry.record(version)
        return version

    def _changes(self, model: str, bundle: Mapping[str, Any], signature: Signature) -> list[str]:
        """Say how the signature differs from the stable one's, unless the bundle allows it."""
        if bundle["rollout"]["allow_signature_change"]:
            return []
        registry = self.control.registry
        try:
            stable = registry.version(model, registry.route(model).stable)
        except ModelNotFound:
            return []
        changes = signature_changes(stable.signature, signature)
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


def settled(form: Form, rollout: str) -> Form:
    """Give a form a folder of its rollout's own.

    The optimiser's bytes may differ from run to run, and what a rollout that died before it
    recorded its version has published is never overwritten.
    """

    def moved(path: str) -> str:
        return path.replace("optimised/", f"optimised/{rollout}/", 1)

    files = tuple(replace(file, path=moved(file.path)) for file in form.files)
    return replace(form, artifact=moved(form.artifact), files=files)
