"""Control of rollouts: every change of a route, by the policy or by hand, goes through here.

A route names the rollout that it belongs to, even after that has ended. The rollout's record has
the same state in words, and both are written in one transaction:

- the route is another rollout's: this one is *superseded*;
- it is this one's and its version is stable: *promoted*;
- it is this one's and another version is stable, without a candidate: *rolled back*.

A record is written only over the one that was read. So an abort, a pause and a step at the same
time cannot undo each other: the second writer reads again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from serval.clock import Clock, timestamp, utc_now
from serval.errors import ModelNotFound, RegistryUnavailable
from serval.models.registry import Registry, Rollout
from serval.models.rollout_words import RolloutStatus
from serval.models.route import Route
from serval.rollouts.history import add_decision, end_rollout, state_from
from serval.rollouts.policy.canary_policy import CanaryPolicy
from serval.rollouts.policy.decide import Decision, Hold, Promote, RollBack, TakeStep

ROUTE_ATTEMPTS = 10
BY_HAND = "by-hand:"
"""Prefix of the ids of rollouts by hand; no upload's id has a colon."""


class RolloutRefused(Exception):
    """A rollout's state does not allow what was asked of it."""


@dataclass(frozen=True, slots=True)
class RolloutControl:
    """Changes routes, and keeps the records of rollouts consistent with them."""

    registry: Registry
    announce: Callable[[Rollout], None] = lambda rollout: None
    """Called with every state that is recorded."""
    clock: Clock = utc_now

    def record(self, rollout: Rollout) -> Rollout:
        """Record a new rollout, and return it, or the one that already has its id."""
        known = self.registry.rollout(rollout.model, rollout.rollout)
        return known or self._record(rollout) or self._read(rollout)

    def note(self, rollout: Rollout, *, quietly: bool = False, **changes: object) -> Rollout:
        """Record changes to a rollout unless it has ended, and return its record.

        A pause that a person set since the rollout was read remains. A rollout that has a share of
        the traffic does not go back to an earlier step. ``quietly`` announces nothing.
        """

        def change(known: Rollout) -> Rollout:
            if known.step == "canary" and changes.get("step", "canary") != "canary":
                return known
            kept = replace(rollout, paused=known.paused, revision=known.revision)
            changed: Rollout = replace(kept, **changes)  # type: ignore[arg-type]
            return changed

        return self._amend(rollout, change, quietly=quietly)

    def pause(self, rollout: Rollout, *, paused: bool) -> Rollout:
        """Pause a rollout, which then takes no step by itself, or let it go on."""
        return self._amend(rollout, lambda known: replace(known, paused=paused))

    def begin(self, rollout: Rollout, version: str, policy: CanaryPolicy) -> Rollout:
        """Move the first share of the traffic to a registered version.

        The first version of a model, and a version that already is stable, are promoted at once.
        An older rollout that still runs is superseded; a newer one supersedes this one. If a person
        has changed the stable version meanwhile, the rollout starts from that.
        """
        for _ in range(ROUTE_ATTEMPTS):
            known = self._read(rollout)
            route = self._route(rollout.model)
            if known.ended or (route is not None and route.rollout == known.rollout):
                return self.reconcile(known)
            known = replace(known, version=version)
            if route is not None and self._is_newer(route, known):
                reason = f"rollout {route.rollout} of a later upload was faster"
                if (end := self._record(end_rollout(known, "superseded", reason))) is not None:
                    return end
            elif begun := self._move(route, first_route(route, known, version, policy), known):
                return begun
        raise self._contention(rollout.model)

    def reconcile(self, rollout: Rollout) -> Rollout:
        """Update a rollout's record to what the route says, and return it.

        Earlier versions of Serval wrote the two one after the other.
        """
        route = self._route(rollout.model)
        if route is None:
            return rollout
        known = self._update_record(rollout, route)
        if known.ended and route.rollout == known.rollout and route.candidate is not None:
            self._set(known.model, Route(route.stable, rollout=route.rollout), route)
        return known

    def _update_record(self, rollout: Rollout, route: Route) -> Rollout:
        if rollout.ended:
            return rollout
        if route.rollout != rollout.rollout:
            if rollout.version is None:
                return rollout
            return self.note(
                end_rollout(rollout, "superseded", f"rollout {route.rollout} took its place")
            )
        updated = state_from(route, rollout, self._now())
        return rollout if updated == rollout else self.note(updated)

    def apply(self, rollout: Rollout, decision: Decision) -> Rollout:
        """Carry a decision out, unless the rollout has lost its route meanwhile.

        If a person has paused the rollout since it was read, only a rollback is carried out.

        Raises
        ------
        RolloutRefused
            If the rollout has no share of the traffic yet.
        """
        if isinstance(decision, Hold):
            return self._amend(
                rollout, lambda known: add_decision(known, rollout, decision), quietly=True
            )
        for _ in range(ROUTE_ATTEMPTS):
            known = self.reconcile(self._read(rollout))
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
            decided = route_after(route, decision)
            if moved := self._move(route, decided, add_decision(known, rollout, decision)):
                return moved
        raise self._contention(rollout.model)

    def refuse(self, rollout: Rollout, reasons: str) -> Rollout:
        """Refuse a rollout, or roll it back if it has a share of the traffic."""
        return self._give_up(rollout, "refused", reasons)

    def abort(self, rollout: Rollout, reason: str) -> Rollout:
        """Roll back by hand, at any step, even before the rollout has a share."""
        return self._give_up(rollout, "rolled back", reason)

    def _give_up(self, rollout: Rollout, status: RolloutStatus, reason: str) -> Rollout:
        for _ in range(ROUTE_ATTEMPTS):
            # Before the route: if the rollout gets a share after both reads, its record changes.
            known = self._read(rollout)
            route = self._route(rollout.model)
            if known.ended:
                return known
            if route is not None and route.rollout == known.rollout:
                return self.apply(known, RollBack(reason))
            if (end := self._record(end_rollout(known, status, reason))) is not None:
                return end
        raise self._contention(rollout.model)

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
        raise self._contention(model)

    def running(self, model: str) -> Rollout | None:
        """Return the rollout that has a share of the traffic, if there is one."""
        route = self.registry.route(model)
        if route.candidate is None:
            return None
        return self.registry.rollout(model, route.rollout)

    def _amend(
        self, rollout: Rollout, change: Callable[[Rollout], Rollout], *, quietly: bool = False
    ) -> Rollout:
        """Change the current record, unless the rollout has ended, and retry on a conflict."""
        for _ in range(ROUTE_ATTEMPTS):
            known = self._read(rollout)
            if known.ended:
                return known
            if (changed := self._record(change(known), quietly=quietly)) is not None:
                return changed
        raise self._contention(rollout.model)

    def _read(self, rollout: Rollout) -> Rollout:
        return self.registry.rollout(rollout.model, rollout.rollout) or rollout

    def _record(self, rollout: Rollout, *, quietly: bool = False) -> Rollout | None:
        """Write a record over the one it was made from; None if that has changed."""
        dated = replace(rollout, updated=self._now())
        if not self.registry.record_rollout(dated):
            return None
        if not quietly:
            self.announce(dated.written)
        return dated.written

    def _move(self, over: Route | None, route: Route, rollout: Rollout) -> Rollout | None:
        """Write a route and its rollout's record, and supersede the rollout that it replaces."""
        now = self._now()
        moved = replace(state_from(route, rollout, now), updated=now)
        records = [moved, *self._end_replaced(over, moved, now)]
        if not self._set(rollout.model, route, over, records):
            return None
        for record in records:
            self.announce(record.written)
        return moved.written

    def _end_replaced(self, over: Route | None, by: Rollout, now: str) -> list[Rollout]:
        if over is None or over.candidate is None or over.rollout == by.rollout:
            return []
        other = self.registry.rollout(by.model, over.rollout)
        if other is None or other.ended:
            return []
        reason = f"rollout {by.rollout} took its place"
        return [replace(end_rollout(other, "superseded", reason), updated=now)]

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

    def _contention(self, model: str) -> RegistryUnavailable:
        return RegistryUnavailable(
            f"model {model!r}: {ROUTE_ATTEMPTS} attempts to change its rollouts all met another "
            "writer; the next attempt may succeed"
        )

    def _now(self) -> str:
        return timestamp(self.clock())


def first_route(route: Route | None, rollout: Rollout, version: str, policy: CanaryPolicy) -> Route:
    """Return the route that a rollout starts with."""
    if route is None or route.stable == version or not policy.steps_percent:
        return Route(version, rollout=rollout.rollout)
    return Route(route.stable, version, policy.steps_percent[0], rollout.rollout)


def route_after(route: Route, decision: TakeStep | Promote | RollBack) -> Route:
    """Return the route after a decision; a late step never lowers the percent."""
    match decision:
        case TakeStep():
            return replace(route, percent=max(route.percent, decision.percent))
        case Promote() if route.candidate is not None:
            return Route(route.candidate, rollout=route.rollout)
        case _:
            return Route(route.stable, rollout=route.rollout)
