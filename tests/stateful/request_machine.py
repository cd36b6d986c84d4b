"""Requests in any order of events, with deaths between any two writes and two actors at once."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.stateful.interruptions import Interruption, interruptions
from tests.stateful.request_ledger import RequestLedger
from tests.stateful.request_stage import BODIES, RequestStage

SETTLING_ROUNDS = 200
DAY = 86_400.0
NAMES = st.sampled_from([("a", "textgen"), ("a", "vision")])
WORKERS = st.sampled_from(["left", "right"])
BODY = st.sampled_from(BODIES)
STEPS = st.sampled_from(["fetch", "prepare", "run", "beat", "work", "drain"])
POST = st.tuples(st.just("post"), BODY, st.booleans())
PUT = st.tuples(st.just("put"), NAMES, BODY, st.booleans()) | POST
CANCEL = st.tuples(st.just("cancel"), NAMES)
RETRY = st.tuples(st.just("retry"), NAMES)
STEP = st.tuples(STEPS, WORKERS)
ENDPOINT = st.sampled_from([("dispatch",), ("endpoint_ends",), ("notice", True), ("notice", False)])
SWEEP = st.just(("sweep",))
MEANWHILE = PUT | CANCEL | RETRY | STEP | ENDPOINT | SWEEP


class RequestMachine(RuleBasedStateMachine):
    """One stage and what its callers believe; a subclass may have another store."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.stage = RequestStage(Path(self.folder.name), self.store())
        self.ledger = RequestLedger(self.stage)

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

    @rule(seconds=st.sampled_from([30.0, 61.0, 130.0, 700.0]))
    def pass_time(self, seconds: float) -> None:
        self.stage.clock.pass_seconds(seconds)

    @rule()
    def lose_message(self) -> None:
        self.stage.lose_message()

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
            case ("put", name, value, large):
                self.ledger.accept(
                    name[0],
                    name[1],
                    value,
                    run(lambda: self.stage.put(name[0], name[1], value, large=large)),
                )
            case ("post", value, large):
                reply = run(lambda: self.stage.post(value, large=large))
                assert reply is None or reply["statusCode"] == 202, reply
            case ("cancel", name):
                retries = self.ledger.retries
                self.ledger.cancelled(
                    name[0], name[1], run(lambda: self.stage.cancel(name[0], name[1])), retries
                )
            case ("retry", name):
                self.ledger.retried(
                    name[0], name[1], run(lambda: self.stage.retry(name[0], name[1]))
                )
            case (verb, *given):
                run(lambda: getattr(self.stage, verb)(*given))

    def _put(self, name: tuple[str, str], value: float, large: bool) -> None:
        self.ledger.accept(
            name[0], name[1], value, self.stage.put(name[0], name[1], value, large=large)
        )
