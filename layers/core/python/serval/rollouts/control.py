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
from serval.rollouts.policy import CanaryPolicy, Decision, Hold, Promote, TakeStep
from serval.routes import Route

ROUTE_ATTEMPTS = 10


class RolloutRefused(Exception):
    """What was asked of a rollout cannot be done; the message says what can."""


@dataclass(frozen=True, slots=True)
class RolloutControl:
    """Moves routes and keeps the rollouts' records in step with them."""

    registry: Registry
    announce: Callable[[Rollout], None] = lambda rollout: None
    """Hears every state that was recorded."""
    clock: Clock = utc_now

    def note(self, rollout: Rollout, **changes: object) -> Rollout:
        """Record a rollout with changes, unless it has ended; gives what the registry holds."""
        changed: Rollout = replace(rollout, updated=self._now(), **changes)  # type: ignore[arg-type]
        if self.registry.record_rollout(changed):
            self.announce(changed)
            return changed
        return self.registry.rollout(rollout.model, rollout.rollout) or changed

    def begin(self, rollout: Rollout, version: str, policy: CanaryPolicy) -> Rollout:
        """Give a registered version its first share of the traffic.

        The first version of a model, and one that already is stable, is promoted at once. An older
        rollout that still runs is superseded; a newer one supersedes this.
        """
        rollout = replace(rollout, version=version)
        for _ in range(ROUTE_ATTEMPTS):
            current = self.registry.rollout(rollout.model, rollout.rollout)
            if current is not None and current.ended:
                return current
            route = self._route(rollout.model)
            if route is not None and route.rollout == rollout.rollout:
                return self.reconcile(rollout)
            if route is not None and self._is_newer(route, rollout):
                return self._end(
                    rollout, "superseded", f"rollout {route.rollout} of a later upload was faster"
                )
            if self._set(rollout.model, first_route(route, rollout, version, policy), route):
                self._supersede(route, rollout)
                return self.reconcile(rollout)
        raise self._contended(rollout.model)

    def reconcile(self, rollout: Rollout) -> Rollout:
        """Bring a rollout's record in step with the route, and give it."""
        route = self._route(rollout.model)
        if rollout.ended or route is None or rollout.version is None:
            return rollout
        if route.rollout != rollout.rollout:
            reason = f"rollout {route.rollout} took its place"
            return self._end(rollout, "superseded", reason)
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
        """Carry a decision out; a rollout that lost its route meanwhile only learns of it."""
        if isinstance(decision, Hold):
            return self.note(rollout, reason=decision.reason)
        rollout = self.reconcile(rollout)
        if rollout.ended:
            return rollout
        route = self.registry.route(rollout.model)
        if route.rollout != rollout.rollout or route.candidate is None:
            return self.reconcile(rollout)
        candidate = route.candidate
        rollout = self.note(rollout, reason=decision.reason)
        if rollout.ended:
            return rollout
        if isinstance(decision, TakeStep):
            changed = replace(route, percent=decision.percent)
        elif isinstance(decision, Promote):
            changed = Route(candidate, rollout=rollout.rollout)
        else:
            changed = Route(route.stable, rollout=rollout.rollout)
        self._set(rollout.model, changed, route)
        return self.reconcile(rollout)

    def refuse(self, rollout: Rollout, reasons: str) -> Rollout:
        """End a rollout that has no share of the traffic."""
        return self._end(rollout, "refused", reasons)

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
                rollout=f"by-hand-{route.revision + 1}",
                status="running",
                created=now,
                updated=now,
                version=version,
                reason=reason,
                baseline=route.stable,
            )
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

    def _supersede(self, route: Route | None, by: Rollout) -> None:
        """Tell the rollout whose candidate was on the route; its own steps would notice too."""
        if route is None or route.candidate is None:
            return
        other = self.registry.rollout(by.model, route.rollout)
        if other is not None and not other.ended:
            self._end(other, "superseded", f"rollout {by.rollout} took its place")

    def _is_newer(self, route: Route, rollout: Rollout) -> bool:
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
