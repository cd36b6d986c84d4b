"""Claim an upload, the first step of a rollout, for one execution alone."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from serval.bundles.pipeline_uses import find_uses
from serval.bundles.uploads import StoredObject, Upload, Uploads
from serval.clock import timestamp
from serval.errors import BundleRefused
from serval.foreign import ObjectCreated
from serval.models.registry import Rollout
from serval.models.storage import BARE_ARTIFACT, MANIFEST, Incoming, claim_id, parse_key
from serval.rollouts.control import RolloutControl
from serval.rollouts.followers import PipelineRegistry, find_followers
from serval.rollouts.outcomes import ignore_event, refuse_upload

SHARED = "*"
EXPECTATION = (
    f"incoming/<model>/<upload>/{MANIFEST} or incoming/<model>/{BARE_ARTIFACT} expected, where "
    "<model> is 1 to 63 lower-case letters, digits, '-' or '_', the first a letter or digit, "
    "and not 'stats'"
)


class Claims(Protocol):
    """Claims on uploads, each of which the first owner keeps forever."""

    def take(self, claim: str, owner: str) -> str | None:
        """Take a claim, and return when its owner first took it; None if another owner has it."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Claims uploads, and records their rollouts."""

    claims: Claims
    uploads: Uploads
    control: RolloutControl
    presign: Callable[[StoredObject], str]
    """Makes a URL to read an object, since ``verify`` has no rights of its own."""
    registry: PipelineRegistry
    golden_functions: Mapping[str, str]
    """Names of the functions ``golden`` by model; ``*`` is the shared one."""

    def claim(self, event: ObjectCreated, owner: str) -> dict[str, Any]:
        """Claim the upload of an event; the same owner may do so again.

        Returns
        -------
        dict
            ``outcome``: ``ignored`` (no upload, or another owner's), ``refused`` with ``reasons``,
            or ``passed`` with the ``upload``, presigned ``urls`` by path and ``golden_function``.
        """
        incoming = parse_key(event.key)
        if incoming is None:
            return ignore_event(f"{event.key!r} announces no upload: {EXPECTATION}")
        announced = self.uploads.artifacts.find(event.key, event.version_id)
        if announced is None:
            return ignore_event(f"{event.key!r} is no longer there")
        claimed = claim_id(event.bucket, event.key, announced.version_id)
        since = self.claims.take(claimed, owner)
        if since is None:
            return ignore_event(f"{event.key!r} was claimed before")
        rollout = self._begin(incoming, claimed, since)
        if rollout.ended:
            return ignore_event(f"rollout {rollout.rollout} is {rollout.status}")
        names = {"model": rollout.model, "rollout": rollout.rollout}
        try:
            files = self.uploads.collect(incoming, announced)
            used, records = find_uses(files, self.uploads.artifacts, self.uploads.registry)
        except BundleRefused as refusal:
            return refuse_upload(refusal.reasons) | names
        followers = find_followers(rollout.model, self.registry)
        self.control.note(rollout, step="verifying")
        return {
            "outcome": "passed",
            **names,
            "upload": Upload(rollout.model, rollout.rollout, files, used, followers).to_json(),
            "urls": {
                path: self.presign(found)
                for path, found in [*((file.path, file.source) for file in files), *records.items()]
            },
            "golden_function": self.golden_functions.get(
                rollout.model, self.golden_functions[SHARED]
            ),
        }

    def _begin(self, incoming: Incoming, claimed: str, since: str) -> Rollout:
        """Record the rollout of a claim as running, unless that is done.

        It has the upload's id, unless another manifest of the same upload has taken it.
        """
        for rollout_id in rollout_ids(incoming, claimed):
            known = self.control.record(
                Rollout(
                    model=incoming.model,
                    rollout=rollout_id,
                    status="running",
                    created=since,
                    updated=timestamp(self.control.clock()),
                )
            )
            if known.created == since:
                break
        return known


def rollout_ids(incoming: Incoming, claimed: str) -> tuple[str, str]:
    """Return the id for an upload's rollout, and a second one in case that is taken."""
    rollout_id = incoming.upload or f"model.onnx-{claimed[:12]}"
    return rollout_id, f"{rollout_id}.{claimed[:12]}"
