"""Targets: which version answers a request, and which requests share its run."""

from dataclasses import dataclass, field

from serval.errors import InvalidParameter
from serval.inference.batch_limits import BatchLimits
from serval.inference.batching import ShapeKey, ShareKey, Sharing
from serval.models.route import KnownVersions, Route, choose_target
from serval.models.server_declaration import SERVED
from serval.worker.queue.held import Held

STREAMS: ShapeKey = (("stream", "", ()),)
"""The shape of all streams: they are started together, and share no run."""


@dataclass(frozen=True, slots=True)
class Targets:
    """Chooses versions by the routes and the bundles that the worker knows."""

    versions: KnownVersions
    sharing: Sharing = field(default_factory=Sharing)

    def limits(self, model: str) -> BatchLimits:
        """Return the batch limits of a model's stable version, or the defaults if it is unknown.

        This reads nothing: it is called between any two messages.
        """
        record = self.versions.stable_version(model)
        return BatchLimits() if record is None else BatchLimits.of_bundle(record.bundle)

    def aim(self, one: Held) -> None:
        """Choose the version of a request; a body read for another version is read again.

        A stream goes on with the version that began it.

        Raises
        ------
        InvalidParameter
            If the caller names a version that the model's inference server is not to hold.
        """
        if one.candidate_failure is not None:
            return
        row = one.known
        route = self.versions.route(row.model)
        wanted = one.chunks[0].version if one.chunks else row.wanted
        target = choose_target(route, wanted, row.affinity or row.id)
        if wanted is not None and wanted not in (route.stable, route.candidate):
            self._expect_any(row.model, wanted, route)
        one.fallback = route.stable if target.track == "candidate" else None
        if one.target is None or one.target.version != target.version:
            one.request = None
        one.target = target

    def _expect_any(self, model: str, version: str, route: Route) -> None:
        """Refuse a version outside the route if a server holds the route's versions alone."""
        runtime = self.versions.version(model, version).runtime
        if runtime in SERVED:
            held = " or ".join(filter(None, (route.stable, route.candidate)))
            raise InvalidParameter(
                "version", version, f"{held}: the inference server of {model!r} holds no other"
            )

    def share_key(self, one: Held) -> ShareKey | None:
        """Return what a request has in common with those it may share a run with, if any."""
        if one.request is None or one.alone:
            return None
        if one.known.stream:
            return one.aim.version, STREAMS
        record = self.versions.version(one.known.model, one.aim.version)
        return self.sharing.key(record, one.request.inputs)
