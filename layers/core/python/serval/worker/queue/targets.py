"""Targets: which version answers a request, and which requests share its run."""

from dataclasses import dataclass, field

from serval.errors import InferenceFailed, InvalidParameter, ModelNotFound
from serval.fleets.canaries import Side, Sides, takes
from serval.inference.batch_limits import BatchLimits
from serval.inference.batching import ShapeKey, ShareKey, Sharing
from serval.models.route import KnownVersions, Route, Target, Track, choose_target
from serval.models.server_declaration import SERVED
from serval.worker.queue.held import Held

STREAMS: ShapeKey = (("stream", "", ()),)
"""The shape of all streams: they are started together, and share no run."""


@dataclass(frozen=True, slots=True)
class Targets:
    """Chooses versions by the routes and the bundles that the worker knows."""

    versions: KnownVersions
    sides: Sides | None = None
    """What this worker does for models whose candidates have machines of their own; None: there
    are none."""
    sharing: Sharing = field(default_factory=Sharing)

    def limits(self, model: str) -> BatchLimits:
        """Return the batch limits of a model's stable version, or the defaults if it is unknown.

        This reads nothing: it is called between any two messages.
        """
        record = self.versions.stable_version(model)
        return BatchLimits() if record is None else BatchLimits.of_bundle(record.bundle)

    def aim(self, one: Held) -> None:
        """Choose the version of a request; a body read for another version is read again.

        A text goes on with the version that began it. What a candidate on a machine of its own
        has begun, and somebody else is to finish, is the stable version's, as is its share while
        nobody holds it.

        Raises
        ------
        InvalidParameter
            If the caller names a version that the model's inference server is not to hold.
        InferenceFailed
            If it was to hold one that has begun a text, and is not any more.
        """
        if one.candidate_failure is not None:
            return
        row = one.known
        route = self.versions.route(row.model)
        wanted = one.writer or row.wanted
        target = choose_target(route, wanted, row.affinity or row.id)
        side = self._side(row.model, route)
        lost = side != "either" and row.version == route.candidate
        if target.track == "candidate" and (lost or side == "instead"):
            target = Target(route.stable, "stable")
        if wanted is not None and wanted not in (route.stable, route.candidate):
            self._expect_any(row.model, wanted, route, begun=one.writer is not None)
        one.fallback = route.stable if target.track == "candidate" else None
        if one.target is None or one.target.version != target.version:
            one.request = None
        one.target = target

    def takes(self, model: str, track: Track) -> bool:
        """Return whether this worker reads a model's queue of a track."""
        try:
            return takes(self._current_side(model), track)
        except ModelNotFound:
            return True  # Whoever asks for it is told.

    def elsewhere(self, one: Held) -> Track | None:
        """Return whose queue a request belongs in, if other workers than this one answer it."""
        model = one.known.model
        if (side := self._current_side(model)) == "either":
            return None
        track: Track = "stable"
        if one.aim.version == self.versions.route(model).candidate:
            track = "candidate"
        return None if takes(side, track) else track

    def _current_side(self, model: str) -> Side:
        """Return this worker's side, without a look at the route of a model that has no sides."""
        if self.sides is None or model not in self.sides.fleet.paired:
            return "either"
        return self.sides.of(model, self.versions.route(model))

    def _side(self, model: str, route: Route) -> Side:
        return "either" if self.sides is None else self.sides.of(model, route)

    def _expect_any(self, model: str, version: str, route: Route, *, begun: bool) -> None:
        """Refuse a version outside the route if a server holds the route's versions alone."""
        if self.versions.version(model, version).runtime not in SERVED:
            return
        held = " or ".join(filter(None, (route.stable, route.candidate)))
        if begun:
            said = f"it began this text, and its inference server holds version {held} by now"
            raise InferenceFailed(model, version, f"{said}: ask again")
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
