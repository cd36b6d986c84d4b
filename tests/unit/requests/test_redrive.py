"""requests/redriving.py: dead letters go back to work; a crash between two steps loses none."""

from dataclasses import dataclass, field, replace

import pytest

from serval.requests.redrive import Redrive, RedrivenLetter
from serval.requests.request import AsyncRequest
from tests.fakes.requests import (
    InMemoryDeadLetters,
    InMemoryPayloads,
    InMemoryQueue,
    InMemoryRequests,
    RecordedWaker,
    TickingClock,
    async_request,
)

MODEL = "textgen"
ALL = 1_000


@dataclass
class Bench:
    """The use-case over fakes."""

    store: InMemoryRequests = field(default_factory=InMemoryRequests)
    queue: InMemoryQueue = field(default_factory=InMemoryQueue)
    payloads: InMemoryPayloads = field(default_factory=InMemoryPayloads)
    letters: InMemoryDeadLetters = field(default_factory=InMemoryDeadLetters)
    waker: RecordedWaker = field(default_factory=RecordedWaker)

    def dead(self, request_id: str, reason: str = "the GPU is on fire", **members: object) -> None:
        """Let a request have failed, and its dead letter wait."""
        failed = {"status": "failed", "error": reason, "attempts": 3, "finished": "2026-11-21"}
        row = async_request(request_id, **{**failed, **members})
        self.store.rows[request_id] = row
        self.letters.add(MODEL, request_id, "as the letter says")

    @property
    def redriving(self) -> Redrive:
        return Redrive(
            self.store, self.queue, self.payloads, self.letters, self.waker, TickingClock()
        )

    def redrive(self, limit: int = ALL) -> list[RedrivenLetter]:
        return list(self.redriving.redrive(MODEL, limit))

    def row(self, request_id: str) -> AsyncRequest:
        return self.store.rows[request_id]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_what_failed_is_queued_from_the_start_and_its_letter_deleted(bench: Bench) -> None:
    bench.dead("r1")

    assert bench.redrive() == [RedrivenLetter("r1", "queued", "the GPU is on fire")]

    row = bench.row("r1")
    assert (row.status, row.attempts, row.error, row.finished) == ("queued", 0, None, None)
    assert bench.queue.sent == {MODEL: ["r1"]}
    assert bench.waker.woken == ["gpu"]
    assert (bench.letters.waiting[MODEL], bench.letters.hidden) == ([], [])


def test_every_letter_is_redriven_however_many_there_are(bench: Bench) -> None:
    for number in range(35):
        bench.dead(f"r{number}")

    assert len(bench.redrive()) == 35

    assert len(bench.queue.sent[MODEL]) == 35
    assert bench.letters.hidden == []


def test_no_more_than_asked_for_are_redriven(bench: Bench) -> None:
    for number in range(15):
        bench.dead(f"r{number}")

    assert [one.request_id for one in bench.redrive(12)] == [f"r{n}" for n in range(12)]

    assert [letter.request_id for letter in bench.letters.waiting[MODEL]] == ["r12", "r13", "r14"]
    assert bench.letters.hidden == []
    assert bench.row("r12").status == "failed"


@pytest.mark.parametrize("status", ["succeeded", "cancelled"])
def test_what_needs_no_work_any_more_loses_its_letter_alone(bench: Bench, status: str) -> None:
    bench.dead("r1", status=status)
    before = bench.row("r1")

    assert [one.fate for one in bench.redrive()] == [status]

    assert bench.row("r1") == before
    assert (dict(bench.queue.sent), bench.waker.woken, bench.letters.hidden) == ({}, [], [])


def test_a_request_that_has_expired_loses_its_letter(bench: Bench) -> None:
    bench.letters.add(MODEL, "gone", "it was out of memory")

    assert bench.redrive() == [RedrivenLetter("gone", "expired", "it was out of memory")]

    assert (dict(bench.queue.sent), bench.letters.hidden) == ({}, [])


def test_what_sqs_has_given_up_is_sent_again_as_it_is(bench: Bench) -> None:
    """After too many receipts, SQS moves a message whose request nobody has failed."""
    bench.dead("r1", status="queued", attempts=1, finished=None)

    assert [one.fate for one in bench.redrive()] == ["queued"]

    assert (bench.row("r1").attempts, bench.queue.sent[MODEL]) == (1, ["r1"])


def test_what_is_being_attempted_keeps_its_letter(bench: Bench) -> None:
    """A runner writes the letter before it closes the row."""
    bench.dead("r1", status="running", finished=None)
    bench.dead("r2")

    assert [one.fate for one in bench.redrive()] == ["running", "queued"]

    assert [letter.request_id for letter in bench.letters.waiting[MODEL]] == ["r1"]
    assert bench.queue.sent[MODEL] == ["r2"]


def test_a_row_that_another_changes_meanwhile_is_read_again(bench: Bench) -> None:
    bench.dead("r1")
    bench.store.rival = replace(bench.row("r1"), status="cancelled", revision=7)

    assert [one.fate for one in bench.redrive()] == ["cancelled"]

    assert dict(bench.queue.sent) == {}


class Crash(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("step", ["sending", "deleting"])
def test_a_crash_loses_nothing_and_the_next_redrive_ends_it(bench: Bench, step: str) -> None:
    bench.dead("r1")
    broken = bench.queue if step == "sending" else bench.letters
    broken.failing = Crash()
    with pytest.raises(Crash):
        bench.redrive()
    assert [letter.request_id for letter in bench.letters.hidden] == ["r1"]

    broken.failing = None
    bench.letters.pass_a_minute(MODEL)
    assert [one.fate for one in bench.redrive()] == ["queued"]

    assert set(bench.queue.sent[MODEL]) == {"r1"}
    assert (bench.letters.waiting[MODEL], bench.letters.hidden) == ([], [])


def test_whoever_stops_listening_leaves_the_rest_where_it_was(bench: Bench) -> None:
    for number in range(3):
        bench.dead(f"r{number}")
    running = bench.redriving.redrive(MODEL, ALL)

    next(running)
    running.close()

    bench.letters.pass_a_minute(MODEL)
    assert [letter.request_id for letter in bench.letters.waiting[MODEL]] == ["r1", "r2"]


def test_looking_changes_nothing(bench: Bench) -> None:
    for number in range(12):
        bench.dead(f"r{number}")
    bench.letters.add(MODEL, "gone", "it was out of memory")
    before = dict(bench.store.rows)

    seen = bench.redriving.inspect(MODEL, ALL)

    assert [(one.request_id, one.reason) for one in seen[11:]] == [
        ("r11", "the GPU is on fire"),
        ("gone", "it was out of memory"),
    ]
    assert (seen[0].request, seen[12].request) == (bench.row("r0"), None)
    assert bench.store.rows == before
    assert (len(bench.letters.waiting[MODEL]), bench.letters.hidden) == (13, [])
    assert len(bench.redriving.inspect(MODEL, 5)) == 5
    assert (len(bench.letters.waiting[MODEL]), bench.letters.hidden) == (13, [])


def test_what_a_dead_letter_s_request_asks_is_kept_anew(bench: Bench) -> None:
    bench.payloads.put("async/r/request", b"{}")
    bench.dead("r", payload_key="async/r/request")
    assert [one.fate for one in bench.redrive()] == ["queued"]
    assert bench.payloads.renewed == ["async/r/request"]


def test_a_dead_letter_whose_request_s_body_has_expired_goes(bench: Bench) -> None:
    bench.dead("r", payload_key="async/r/request")
    assert [one.fate for one in bench.redrive()] == ["expired"]
    assert bench.row("r").status == "failed"
    assert bench.queue.sent == {}
    assert bench.letters.waiting[MODEL] == []
