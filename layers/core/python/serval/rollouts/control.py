"""Control of rollouts: every change of a route, by the policy or by hand, goes through here.

The route is the truth: it says which rollout it belongs to, also after that has ended. A rollout's
record follows it, so that a crash between the two writes is mended by whoever looks next:

- the route is another rollout's: this one is *superseded*;
- it is this one's and its version is stable: *promoted*;
- it is this one's and another version is stable, without a candidate: *rolled back*.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from serval.clock import Clock, timestamp, utc_now
from serval.errors import ModelNotFound, RegistryUnavailable
from serval.registry import Registry, Rollout, RolloutStatus
from serval.rollouts.policy import CanaryPolicy, Decision, Hold, Promote, RollBack, TakeStep
from serval.routes import Route

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

    def note(self, rollout: Rollout, *, quietly: bool = False, **changes: object) -> Rollout:
        """Record a rollout with changes, unless it has ended; gives what the registry holds.

        A pause that a person set since the rollout was read stands. ``quietly``: nobody hears of
        it, since nothing has changed but what is known.
        """
        known = self.registry.rollout(rollout.model, rollout.rollout)
        paused = rollout.paused if known is None else known.paused
        kept = replace(rollout, updated=self._now(), paused=paused)
        changed: Rollout = replace(kept, **changes)  # type: ignore[arg-type]
        if self.registry.record_rollout(changed):
            if not quietly:
                self.announce(changed)
            return changed
        return self.registry.rollout(rollout.model, rollout.rollout) or changed

    def begin(self, rollout: Rollout, version: str, policy: CanaryPolicy) -> Rollout:
        """Give a registered version its first share of the traffic.

        The first version of a model, and one that already is stable, is promoted at once. An older
        rollout that still runs is superseded; a newer one supersedes this. What a person made
        stable in the meantime is where it starts from.
        """
        rollout = replace(rollout, version=version)
        for _ in range(ROUTE_ATTEMPTS):
            current = self.registry.rollout(rollout.model, rollout.rollout)
            if current is not None and current.ended:
                return self.reconcile(current)
            route = self._route(rollout.model)
            if route is not None and route.rollout == rollout.rollout:
                return self.reconcile(current or rollout)
            self._settle(rollout.model, route)
            if route is not None and self._is_newer(route, rollout):
                return self._end(
                    rollout, "superseded", f"rollout {route.rollout} of a later upload was faster"
                )
            if self._set(rollout.model, first_route(route, rollout, version, policy), route):
                self._supersede(route, rollout)
                return self.reconcile(rollout)
        raise self._contended(rollout.model)

    def reconcile(self, rollout: Rollout) -> Rollout:
        """Bring a rollout's record in step with the route, and give it.

        A rollout that a person ended while it was getting its first share loses that again.
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
            reason = f"rollout {route.rollout} took its place"
            return self._end(rollout, "superseded", reason)
        rollout = replace(rollout, version=rollout.version or route.candidate or route.stable)
        if route.candidate is None:
            if route.stable == rollout.version:
                reason = rollout.reason or f"version {route.stable} takes all traffic"
                return self._end(rollout, "promoted", reason)
            return self._end(rollout, "rolled back", rollout.reason or "ended between two writes")
        if rollout.step != "canary" or route.percent != rollout.percent:
            return self.note(
                rollout,
                step="canary",
                baseline=route.stable,
                percent=route.percent,
                percent_since=self._now(),
            )
        return rollout

    def apply(self, rollout: Rollout, decision: Decision) -> Rollout:
        """Carry a decision out; a rollout that lost its route meanwhile only learns of it.

        Raises
        ------
        RolloutRefused
            If the rollout has no share of the traffic yet.
        """
        if isinstance(decision, Hold):
            return self.note(rollout, quietly=True, reason=decision.reason)
        for _ in range(ROUTE_ATTEMPTS):
            rollout = self.reconcile(rollout)
            route = self._route(rollout.model)
            if rollout.ended or route is None:
                return rollout
            if rollout.version is None:
                raise RolloutRefused(
                    f"rollout {rollout.rollout!r} of model {rollout.model!r} has no share of the "
                    f"traffic yet: it is {rollout.step}"
                )
            if route.rollout != rollout.rollout or route.candidate is None:
                continue
            rollout = self.note(rollout, quietly=True, reason=decision.reason)
            if self._set(rollout.model, decided_route(route, decision), route):
                return self.reconcile(rollout)
        raise self._contended(rollout.model)

    def refuse(self, rollout: Rollout, reasons: str) -> Rollout:
        """End a rollout before it gets a share of the traffic; one that has a share rolls back."""
        route = self._route(rollout.model)
        if route is not None and route.rollout == rollout.rollout:
            return self.apply(rollout, RollBack(reasons))
        return self._end(rollout, "refused", reasons)

    def abort(self, rollout: Rollout, reason: str) -> Rollout:
        """Roll back by hand, at any step: what still verifies never gets a share."""
        rollout = self.reconcile(rollout)
        route = self._route(rollout.model)
        if route is not None and route.rollout == rollout.rollout:
            return self.apply(rollout, RollBack(reason))
        return self.reconcile(self._end(rollout, "rolled back", reason))

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
            self._settle(model, route)
            if self._set(model, Route(version, rollout=by_hand.rollout), route):
                self._supersede(route, by_hand)
                return self.reconcile(by_hand)
        raise self._contended(model)

    def running(self, model: str) -> Rollout | None:
        """Give the rollout that has a share of the traffic now; None if there is none."""
        route = self.registry.route(model)
        if route.candidate is None:
            return None
        return self.registry.rollout(model, route.rollout)

    def _settle(self, model: str, route: Route | None) -> None:
        """Record the verdict of the rollout that the route is of, before another takes it."""
        if route is None or route.candidate is not None:
            return
        other = self.registry.rollout(model, route.rollout)
        if other is not None:
            self.reconcile(other)

    def _supersede(self, route: Route | None, by: Rollout) -> None:
        """Tell the rollout whose candidate was on the route; its own steps would notice too."""
        if route is None or route.candidate is None:
            return
        other = self.registry.rollout(by.model, route.rollout)
        if other is not None and not other.ended:
            self._end(other, "superseded", f"rollout {by.rollout} took its place")

    def _is_newer(self, route: Route, rollout: Rollout) -> bool:
        if route.rollout.startswith(BY_HAND):
            return False
        other = self.registry.rollout(rollout.model, route.rollout)
        return other is not None and other.created > rollout.created

    def _end(self, rollout: Rollout, status: RolloutStatus, reason: str) -> Rollout:
        percent = 100 if status == "promoted" else 0
        return self.note(rollout, status=status, reason=reason, step="ended", percent=percent)

    def _route(self, model: str) -> Route | None:
        try:
            return self.registry.route(model)
        except ModelNotFound:
            return None

    def _set(self, model: str, route: Route, over: Route | None) -> bool:
        revision = None if over is None else over.revision
        return self.registry.set_route(
            model, replace(route, revision=(revision or 0) + 1), revision
        )

    def _contended(self, model: str) -> RegistryUnavailable:
        return RegistryUnavailable(
            f"model {model!r}: {ROUTE_ATTEMPTS} attempts to set its route all met another writer; "
            "the next attempt may succeed"
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
