"""Control of rollouts: every change of a route, by the policy or by hand, goes through here.

The route says which rollout it belongs to, also after that has ended, and a rollout's record says
the same in words. Both are written at once, or neither:

- the route is another rollout's: this one is *superseded*;
- it is this one's and its version is stable: *promoted*;
- it is this one's and another version is stable, without a candidate: *rolled back*.

A record is written only over the one that was read, so an abort, a pause and a step that meet
cannot undo one another: whoever comes second looks again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from serval.clock import Clock, timestamp, utc_now
from serval.errors import ModelNotFound, RegistryUnavailable
from serval.models.registry import Registry, Rollout, RolloutStatus
from serval.models.route import Route
from serval.rollouts.history import ended, informed, stated_by
from serval.rollouts.policy.decide import CanaryPolicy, Decision, Hold, Promote, RollBack, TakeStep

ROUTE_ATTEMPTS = 10
BY_HAND = "by-hand:"
"""Begins the id of a rollout by hand; no upload's id has a colon."""


class RolloutRefused(Exception):
    """What was asked of a rollout cannot be done; the message says what can."""


@dataclass(frozen=True, slots=True)
class RolloutControl:
    """Moves routes and keeps the rollouts' records in step with them."""

    registry: Registry
    announce: Callable[[Rollout], None] = lambda rollout: None
    """Hears every state that was recorded."""
    clock: Clock = utc_now

    def record(self, rollout: Rollout) -> Rollout:
        """Record a rollout that begins; gives the one that has its id, if there is one already."""
        known = self.registry.rollout(rollout.model, rollout.rollout)
        return known or self._record(rollout) or self._known(rollout)

    def note(self, rollout: Rollout, *, quietly: bool = False, **changes: object) -> Rollout:
        """Record a rollout with changes, unless it has ended; gives what the registry holds.

        A pause that a person set since the rollout was read stands, and so does a share of the
        traffic against a step that is repeated. ``quietly``: nobody hears of it, since nothing has
        changed but what is known.
        """

        def noted(known: Rollout) -> Rollout:
            if known.step == "canary" and changes.get("step", "canary") != "canary":
                return known
            kept = replace(rollout, paused=known.paused, revision=known.revision)
            changed: Rollout = replace(kept, **changes)  # type: ignore[arg-type]
            return changed

        return self._amend(rollout, noted, quietly=quietly)

    def pause(self, rollout: Rollout, *, paused: bool) -> Rollout:
        """Let a rollout take no step of its own accord, or let it go on."""
        return self._amend(rollout, lambda known: replace(known, paused=paused))

    def begin(self, rollout: Rollout, version: str, policy: CanaryPolicy) -> Rollout:
        """Give a registered version its first share of the traffic.

        The first version of a model, and one that already is stable, is promoted at once. An older
        rollout that still runs is superseded; a newer one supersedes this. What a person made
        stable in the meantime is where it starts from.
        """
        for _ in range(ROUTE_ATTEMPTS):
            known = self._known(rollout)
            route = self._route(rollout.model)
            if known.ended or (route is not None and route.rollout == known.rollout):
                return self.reconcile(known)
            known = replace(known, version=version)
            if route is not None and self._is_newer(route, known):
                reason = f"rollout {route.rollout} of a later upload was faster"
                if (end := self._record(ended(known, "superseded", reason))) is not None:
                    return end
            elif begun := self._move(route, first_route(route, known, version, policy), known):
                return begun
        raise self._contended(rollout.model)

    def reconcile(self, rollout: Rollout) -> Rollout:
        """Bring a rollout's record in step with the route, and give it.

        They are written together, but by versions of Serval that wrote one after the other.
        """
        route = self._route(rollout.model)
        if route is None:
            return rollout
        known = self._in_step(rollout, route)
        if known.ended and route.rollout == known.rollout and route.candidate is not None:
            self._set(known.model, Route(route.stable, rollout=route.rollout), route)
        return known

    def _in_step(self, rollout: Rollout, route: Route) -> Rollout:
        if rollout.ended:
            return rollout
        if route.rollout != rollout.rollout:
            if rollout.version is None:
                return rollout
            return self.note(
                ended(rollout, "superseded", f"rollout {route.rollout} took its place")
            )
        stated = stated_by(route, rollout, self._now())
        return rollout if stated == rollout else self.note(stated)

    def apply(self, rollout: Rollout, decision: Decision) -> Rollout:
        """Carry a decision out; a rollout that lost its route meanwhile only learns of it.

        A person's pause that came after the rollout was read stands against all but a rollback.

        Raises
        ------
        RolloutRefused
            If the rollout has no share of the traffic yet.
        """
        if isinstance(decision, Hold):
            return self._amend(
                rollout, lambda known: informed(known, rollout, decision), quietly=True
            )
        for _ in range(ROUTE_ATTEMPTS):
            known = self.reconcile(self._known(rollout))
            route = self._route(rollout.model)
            if known.ended or route is None:
                return known
            if known.version is None:
                raise RolloutRefused(
                    f"rollout {rollout.rollout!r} of model {rollout.model!r} has no share of the "
                    f"traffic yet: it is {known.step}"
                )
            if known.paused and not rollout.paused and not isinstance(decision, RollBack):
                return known
            if route.rollout != known.rollout or route.candidate is None:
                continue
            decided = decided_route(route, decision)
            if moved := self._move(route, decided, informed(known, rollout, decision)):
                return moved
        raise self._contended(rollout.model)

    def refuse(self, rollout: Rollout, reasons: str) -> Rollout:
        """End a rollout before it gets a share of the traffic; one that has a share rolls back."""
        return self._give_up(rollout, "refused", reasons)

    def abort(self, rollout: Rollout, reason: str) -> Rollout:
        """Roll back by hand, at any step: what still verifies never gets a share."""
        return self._give_up(rollout, "rolled back", reason)

    def _give_up(self, rollout: Rollout, status: RolloutStatus, reason: str) -> Rollout:
        for _ in range(ROUTE_ATTEMPTS):
            # Read before the route: a share that it gets after both changes its record.
            known = self._known(rollout)
            route = self._route(rollout.model)
            if known.ended:
                return known
            if route is not None and route.rollout == known.rollout:
                return self.apply(known, RollBack(reason))
            if (end := self._record(ended(known, status, reason))) is not None:
                return end
        raise self._contended(rollout.model)

    def go_to(self, model: str, version: str, reason: str) -> Rollout:
        """Make a version stable by hand; a running rollout is superseded.

        Raises
        ------
        ModelNotFound, ModelVersionNotFound
            If there is no such model or version.
        """
        self.registry.version(model, version)
        now = self._now()
        for _ in range(ROUTE_ATTEMPTS):
            route = self.registry.route(model)
            by_hand = Rollout(
                model=model,
                rollout=f"{BY_HAND}{route.revision + 1}",
                status="running",
                created=now,
                updated=now,
                version=version,
                reason=reason,
                baseline=route.stable,
            )
            if moved := self._move(route, Route(version, rollout=by_hand.rollout), by_hand):
                return moved
        raise self._contended(model)

    def running(self, model: str) -> Rollout | None:
        """Give the rollout that has a share of the traffic now; None if there is none."""
        route = self.registry.route(model)
        if route.candidate is None:
            return None
        return self.registry.rollout(model, route.rollout)

    def _amend(
        self, rollout: Rollout, change: Callable[[Rollout], Rollout], *, quietly: bool = False
    ) -> Rollout:
        """Change a record as it is now, whoever else does; one that has ended stays as it is."""
        for _ in range(ROUTE_ATTEMPTS):
            known = self._known(rollout)
            if known.ended:
                return known
            if (changed := self._record(change(known), quietly=quietly)) is not None:
                return changed
        raise self._contended(rollout.model)

    def _known(self, rollout: Rollout) -> Rollout:
        return self.registry.rollout(rollout.model, rollout.rollout) or rollout

    def _record(self, rollout: Rollout, *, quietly: bool = False) -> Rollout | None:
        """Write a record over the one it was made of; None: that is not there any more."""
        dated = replace(rollout, updated=self._now())
        if not self.registry.record_rollout(dated):
            return None
        if not quietly:
            self.announce(dated.written)
        return dated.written

    def _move(self, over: Route | None, route: Route, rollout: Rollout) -> Rollout | None:
        """Write a route and its rollout's record, and end the rollout whose candidate it takes."""
        now = self._now()
        moved = replace(stated_by(route, rollout, now), updated=now)
        records = [moved, *self._superseded(over, moved, now)]
        if not self._set(rollout.model, route, over, records):
            return None
        for record in records:
            self.announce(record.written)
        return moved.written

    def _superseded(self, over: Route | None, by: Rollout, now: str) -> list[Rollout]:
        if over is None or over.candidate is None or over.rollout == by.rollout:
            return []
        other = self.registry.rollout(by.model, over.rollout)
        if other is None or other.ended:
            return []
        reason = f"rollout {by.rollout} took its place"
        return [replace(ended(other, "superseded", reason), updated=now)]

    def _is_newer(self, route: Route, rollout: Rollout) -> bool:
        if route.rollout.startswith(BY_HAND):
            return False
        other = self.registry.rollout(rollout.model, route.rollout)
        return other is not None and other.created > rollout.created

    def _route(self, model: str) -> Route | None:
        try:
            return self.registry.route(model)
        except ModelNotFound:
            return None

    def _set(
        self, model: str, route: Route, over: Route | None, records: Sequence[Rollout] = ()
    ) -> bool:
        revision = None if over is None else over.revision
        return self.registry.set_route(
            model, replace(route, revision=(revision or 0) + 1), revision, records
        )

    def _contended(self, model: str) -> RegistryUnavailable:
        return RegistryUnavailable(
            f"model {model!r}: {ROUTE_ATTEMPTS} attempts to change its rollouts all met another "
            "writer; the next attempt may succeed"
        )

    def _now(self) -> str:
        return timestamp(self.clock())


def first_route(route: Route | None, rollout: Rollout, version: str, policy: CanaryPolicy) -> Route:
    """Give the route that a rollout begins with."""
    if route is None or route.stable == version or not policy.steps_percent:
        return Route(version, rollout=rollout.rollout)
    return Route(route.stable, version, policy.steps_percent[0], rollout.rollout)


def decided_route(route: Route, decision: TakeStep | Promote | RollBack) -> Route:
    """Give the route that a decision leads to; a late one never takes a share back."""
    match decision:
        case TakeStep():
            return replace(route, percent=max(route.percent, decision.percent))
        case Promote() if route.candidate is not None:
            return Route(route.candidate, rollout=route.rollout)
        case _:
            return Route(route.stable, rollout=route.rollout)
