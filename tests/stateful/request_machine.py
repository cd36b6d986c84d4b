"""Requests in any order of events, with deaths between any two writes and two actors at once."""

import tempfile
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.stateful.interruptions import Interruption, before_writes, interruptions
from tests.stateful.request_actions import (
    ABOUT,
    BODY,
    CANCEL,
    ENDPOINT,
    MEANWHILE,
    NAMES,
    PUT,
    RETRY,
    STEP,
    SWEEP,
    WORKERS,
    races,
)
from tests.stateful.request_ledger import RequestLedger
from tests.stateful.request_stage import BODIES, RequestStage

SETTLING_ROUNDS = 200
DAY = 86_400.0
LONGEST_WAIT = 13 * DAY
"""Queues keep messages for 14 days: what waits for longer is nobody's case."""


class RequestMachine(RuleBasedStateMachine):
    """One stage and what its callers believe; a subclass may have another store."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.stage = RequestStage(Path(self.folder.name), self.store())
        self.ledger = RequestLedger(self.stage)
        self.races = count(1)

    def store(self) -> Any:
        """Make the store; None: one in memory."""
        return None

    @rule(action=PUT, interruption=interruptions(), meanwhile=MEANWHILE)
    def put(self, action: Any, interruption: Interruption | None, meanwhile: Any) -> None:
        self._act(action, interruption, meanwhile)

    @rule(action=CANCEL, interruption=interruptions(), meanwhile=MEANWHILE)
    def cancel(self, action: Any, interruption: Interruption | None, meanwhile: Any) -> None:
        self._act(action, interruption, meanwhile)

    @rule(action=RETRY, interruption=interruptions(), meanwhile=MEANWHILE)
    def retry(self, action: Any, interruption: Interruption | None, meanwhile: Any) -> None:
        self._act(action, interruption, meanwhile)

    @rule(action=STEP, interruption=interruptions(), meanwhile=MEANWHILE)
    def work(self, action: Any, interruption: Interruption | None, meanwhile: Any) -> None:
        self._act(action, interruption, meanwhile)

    @rule(action=ENDPOINT, interruption=interruptions(), meanwhile=MEANWHILE)
    def run_endpoint(self, action: Any, interruption: Interruption | None, meanwhile: Any) -> None:
        self._act(action, interruption, meanwhile)

    @rule(action=SWEEP, interruption=interruptions(), meanwhile=MEANWHILE)
    def sweep(self, action: Any, interruption: Interruption | None, meanwhile: Any) -> None:
        self._act(action, interruption, meanwhile)

    @rule(which=WORKERS, interruption=interruptions(), meanwhile=MEANWHILE)
    def work_all(self, which: str, interruption: Interruption | None, meanwhile: Any) -> None:
        """Let a worker do all that waits, but for what the interruption does to it."""
        self._act(("work", which), interruption, meanwhile)

    @rule(name=NAMES, body=BODY, which=WORKERS, last=MEANWHILE, interruption=interruptions())
    def put_and_run(
        self,
        name: tuple[str, str],
        body: float,
        which: str,
        last: Any,
        interruption: Interruption | None,
    ) -> None:
        """Have an attempt under way, and then something else happen, and its end."""
        self._put(name, body, True)
        for step in (("fetch", which), ("prepare", which), ("dispatch",)):
            self._act(step, None, None)
        self._do(last, None, lambda: None)
        self._act(("endpoint_ends",), interruption, last)
        self._act(("run", which), interruption, last)
        self._act(("notice", False), interruption, last)

    @rule(name=NAMES, value=st.sampled_from(BODIES), which=WORKERS)
    def put_and_begin(self, name: tuple[str, str], value: float, which: str) -> None:
        self._put(name, value, False)
        self.stage.fetch(which)
        self.stage.prepare(which)
        self.stage.dispatch()

    @rule(race=races(), value=BODY, large=st.booleans(), interruption=before_writes())
    def race_again(self, race: Any, value: float, large: bool, interruption: Interruption) -> None:
        """Have races come more often."""
        self._race(race, value, large, interruption)

    @rule(race=races(), value=BODY, large=st.booleans(), interruption=before_writes())
    def race(self, race: Any, value: float, large: bool, interruption: Interruption) -> None:
        """Have one read a request and write, and others write in between."""
        self._race(race, value, large, interruption)

    def _race(self, race: Any, value: float, large: bool, interruption: Interruption) -> None:
        model, (situation, first), meanwhile, then = race
        name = (f"race-{next(self.races)}", model)
        self._do(("put", name, value, large), None, lambda: None)
        self._do_all(situation, name)
        self._do(about(first, name), interruption, lambda: self._do_all(meanwhile, name))
        self._do_all(then, name)

    @rule(seconds=st.sampled_from([30.0, 61.0, 130.0, 700.0]))
    def pass_time(self, seconds: float) -> None:
        self.stage.clock.pass_seconds(seconds)

    @rule()
    def lose_message(self) -> None:
        self.stage.lose_message()

    @rule(days=st.sampled_from([1, 8]))
    def expire(self, days: int) -> None:
        """Let days pass over requests, whatever state they are in."""
        now = self.stage.clock().timestamp() + days * DAY
        created = [datetime.fromisoformat(row.created).timestamp() for row in self.stage.rows()]
        if created and now - min(created) > LONGEST_WAIT:
            self.settle()
        self.stage.clock.pass_seconds(days * DAY)
        self.ledger.forget(self.stage.expire())

    @rule(days=st.sampled_from([6, 8, 40, 46]))
    def settle_and_expire(self, days: int) -> None:
        """Let everything end, then time pass: accepted requests end before they expire."""
        self.settle()
        self.stage.clock.pass_seconds(days * DAY)
        self.ledger.forget(self.stage.expire())

    @invariant()
    def everything_holds(self) -> None:
        self.ledger.check()

    def teardown(self) -> None:
        try:
            self.settle()
        finally:
            self.folder.cleanup()

    def settle(self) -> None:
        """Let nothing die any more, until nothing is open."""
        for _ in range(SETTLING_ROUNDS):
            self.stage.work("left")
            self.stage.work("right")
            self.stage.dispatch()
            while self.stage.managed.endpoints.held or self.stage.notices:
                self.stage.endpoint_ends()
                self.stage.notice()
            if not any(row.open for row in self.stage.rows()):
                break
            self.stage.clock.pass_seconds(600)
            self.stage.sweep()
            self.ledger.check()
        self.stage.clock.pass_seconds(1200)
        self.stage.sweep()
        self.ledger.check()
        self.ledger.ended()

    def _do_all(self, actions: Sequence[Any], name: tuple[str, str]) -> None:
        for action in actions:
            self._do(about(action, name), None, lambda: None)

    def _act(self, action: Any, interruption: Interruption | None, meanwhile: Any) -> None:
        self.stage.clock.pass_seconds(1)
        self._do(action, interruption, lambda: self._do(meanwhile, None, lambda: None))

    def _do(
        self, action: Any, interruption: Interruption | None, meanwhile: Callable[[], object]
    ) -> None:
        def run(operation: Callable[[], Any]) -> Any:
            if interruption is None:
                return operation()
            return self.stage.interrupting.run(operation, interruption, meanwhile)

        match action:
            case ("put", (name, model), value, large):
                reply = run(lambda: self.stage.put(name, model, value, large=large))
                self.ledger.accept(name, model, value, reply)
            case ("post", value, large):
                reply = run(lambda: self.stage.post(value, large=large))
                assert reply is None or reply["statusCode"] == 202, reply
            case ("cancel", (name, model)):
                retries = self.ledger.retries
                reply = run(lambda: self.stage.cancel(name, model))
                self.ledger.cancelled(name, model, reply, retries)
            case ("retry", (name, model)):
                self.ledger.retried(name, model, run(lambda: self.stage.retry(name, model)))
            case (verb, *given):
                run(lambda: getattr(self.stage, verb)(*given))

    def _put(self, name: tuple[str, str], value: float, large: bool) -> None:
        self.ledger.accept(
            name[0], name[1], value, self.stage.put(name[0], name[1], value, large=large)
        )


def about(action: Any, name: tuple[str, str]) -> Any:
    """Give an action with the request that it is about."""
    verb, *given = action
    return (verb, name) if given == [ABOUT] else action
