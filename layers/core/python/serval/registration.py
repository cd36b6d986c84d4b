"""Registration: an upload becomes a version, or is refused with every reason.

::

    announced → claim → running → gather → verify → publish → promote → promoted | superseded
                                     └────────┴─ BundleRefused ────────→ refused

Every write is conditional or the same when repeated, so a crash between any two of them is mended
by running the whole again. The claim keeps a repeated event out; it lets its own owner (the same
invocation, tried again) back in, and anyone once its lease has run out.
"""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol

from serval.clock import Clock, timestamp, utc_now
from serval.errors import BundleRefused
from serval.object_created import ObjectCreated, claim_id
from serval.publication import Publication
from serval.registry import Registry, Rollout, RolloutStatus
from serval.storage import Incoming, parse_key
from serval.uploads import StoredObject, Upload, Uploads
from serval.verification.bundles import VerifiedBundle, verify
from serval.verification.deployment import Deployment

ATTEMPTS = 2
"""How often a registration may die without a verdict (crash, timeout, out of memory)."""
NO_VERDICT = (
    f"registering stopped {ATTEMPTS} times without a verdict (a crash, a timeout or no memory "
    "left): see the log of the function `register`"
)


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to work on one version of one object."""

    attempt: int
    """1 for the first."""
    since: str
    """When the first attempt began: the claim's age, whoever works on it now."""


class Claims(Protocol):
    """Who may work on an upload: one owner at a time."""

    def take(self, claim: str, owner: str) -> "Claim | None":
        """Take a claim, or give None if it is another's or done."""

    def finish(self, claim: str, owner: str) -> None:
        """Mark a claim as done: nobody takes it again."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an event ended."""

    status: RolloutStatus | Literal["ignored"]
    reason: str
    version: str | None = None


@dataclass(frozen=True, slots=True)
class Registration:
    """Everything that registering an upload needs."""

    claims: Claims
    uploads: Uploads
    publication: Publication
    registry: Registry
    deployment: Deployment
    clock: Clock = utc_now
    work_folder: Path | None = None
    """Where uploads are gathered; None: the system's temporary folder."""

    def register(self, event: ObjectCreated, owner: str) -> Outcome:
        """Answer one event; ``owner`` is the same when the same invocation is tried again."""
        incoming = parse_key(event.key)
        if incoming is None:
            return Outcome("ignored", f"{event.key!r} announces no upload")
        announced = self.uploads.artifacts.find(event.key, event.version_id)
        if announced is None:
            return Outcome("ignored", f"{event.key!r} is no longer there")
        claimed = claim_id(event.bucket, event.key, announced.version_id)
        claim = self.claims.take(claimed, owner)
        if claim is None:
            return Outcome("ignored", f"{event.key!r} is registered already, or just now")
        rollout = self._roll_out(incoming, announced, self._begin(incoming, claimed, claim), claim)
        self.claims.finish(claimed, owner)
        return Outcome(rollout.status, rollout.reason, rollout.version)

    def _begin(self, incoming: Incoming, claimed: str, claim: Claim) -> Rollout:
        """Record the rollout of a claim as running; give it back as it is if it has a verdict.

        It has the upload's id, unless an earlier manifest of the same upload has taken that.
        """
        rollout_id = incoming.upload or f"model.onnx-{claimed[:12]}"
        known = self.registry.rollout(incoming.model, rollout_id)
        if known is not None and known.created != claim.since:
            rollout_id += f".{claimed[:12]}"
            known = self.registry.rollout(incoming.model, rollout_id)
        if known is not None:
            return known
        rollout = Rollout(
            model=incoming.model,
            rollout=rollout_id,
            status="running",
            created=claim.since,
            updated=timestamp(self.clock()),
        )
        self.registry.record_rollout(rollout)
        return rollout

    def _roll_out(
        self, incoming: Incoming, announced: StoredObject, rollout: Rollout, claim: Claim
    ) -> Rollout:
        """Take an upload from ``running`` to a verdict, and record it."""
        if rollout.status != "running":
            return rollout
        try:
            if claim.attempt > ATTEMPTS:
                raise BundleRefused([NO_VERDICT])
            ended = self._publish(incoming, announced, rollout)
        except BundleRefused as refused:
            ended = replace(rollout, status="refused", reason="\n".join(refused.reasons))
        ended = replace(ended, updated=timestamp(self.clock()))
        self.registry.record_rollout(ended)
        return ended

    def _publish(self, incoming: Incoming, announced: StoredObject, rollout: Rollout) -> Rollout:
        with tempfile.TemporaryDirectory(dir=self.work_folder, prefix="upload-") as folder:
            upload, verified = self.verify(incoming, announced, Path(folder))
        version = self.publication.publish(upload, verified)
        return self.publication.promote(version, rollout)

    def verify(
        self, incoming: Incoming, announced: StoredObject, folder: Path
    ) -> tuple[Upload, VerifiedBundle]:
        """Gather an upload in an empty folder and verify it, or raise ``BundleRefused``."""
        upload = self.uploads.gather(incoming, announced, folder)
        return upload, verify(folder, upload.manifest, self.deployment)
