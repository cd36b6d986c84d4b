"""What must hold of requests at every moment, whatever has happened to them."""

from dataclasses import dataclass, field, replace
from typing import Any

from serval.requests.request import AsyncRequest
from tests.fakes.worker import FAILS
from tests.stateful.request_stage import ANSWER_ADDS, RequestStage


@dataclass
class RequestLedger:
    """Remembers what callers were told and what was seen, and holds the stage to it."""

    stage: RequestStage
    seen: dict[str, AsyncRequest] = field(default_factory=dict)
    """Each row as it was last seen."""
    accepted: set[str] = field(default_factory=set)
    unwanted: set[str] = field(default_factory=set)
    """Rows whose callers were told that they are cancelled, or will be."""
    retries: int = 0
    """That were answered, or died."""
    asked: dict[str, Any] = field(default_factory=dict)
    """What each row asked when it was first seen."""

    def accept(self, name: str, model: str, value: float, reply: Any) -> None:
        """Hear what a PUT was answered; None: its process died."""
        if reply is None:
            return
        assert reply["statusCode"] in (200, 202, 409), reply
        if reply["statusCode"] == 409:
            return
        row = self._named(name, model)
        self.accepted.add(row.id)
        assert self.stage.asked(row) in (value, None), "it stands for what another PUT has asked"

    def cancelled(self, name: str, model: str, reply: Any, retries: int) -> None:
        """Hear what a cancel was answered; a retry that came meanwhile may have undone it."""
        if reply is not None and reply["statusCode"] in (200, 202) and retries == self.retries:
            self.unwanted.add(self._named(name, model).id)
        assert reply is None or reply["statusCode"] in (200, 202, 404, 409), reply

    def retried(self, name: str, model: str, reply: Any) -> None:
        """Hear what a retry was answered; one that died may have queued it again."""
        self.retries += 1
        rows = [row for row in self.stage.rows() if (row.name, row.model) == (name, model)]
        self.unwanted -= {row.id for row in rows}
        if reply is None:
            return
        assert reply["statusCode"] in (202, 404, 409), reply
        if reply["statusCode"] == 202:
            assert self.stage.asked(rows[0]) is not None, "it was queued without what it asks"

    def forget(self, gone: list[AsyncRequest]) -> None:
        """Let go of rows that have expired."""
        for row in gone:
            assert not row.open, f"it expired while it was {row.status}"
            self.seen.pop(row.id, None)
            self.asked.pop(row.id, None)
            self.accepted.discard(row.id)
            self.unwanted.discard(row.id)

    def check(self) -> None:
        """Compare every row with what was seen of it before, and hear who wrote what."""
        assert self.stage.store.offences == []
        rows = {row.id: row for row in self.stage.rows()}
        assert self.accepted <= rows.keys(), "an accepted request is lost"
        for row in rows.values():
            self._lasting(row)
            self._plausible(row)
        self.seen = rows

    def _lasting(self, row: AsyncRequest) -> None:
        before = self.seen.get(row.id, row)
        assert row.revision >= before.revision
        assert row.attempt >= before.attempt
        assert row.body_hash == before.body_hash
        asked = self.stage.asked(row)
        assert asked in (self.asked.setdefault(row.id, asked), None)
        if before.status == "succeeded":
            sent: dict[str, Any] = {"callback_sent": None, "callback_error": None, "revision": 0}
            assert replace(row, **sent) == replace(before, **sent), "a result has changed"

    def _plausible(self, row: AsyncRequest) -> None:
        assert 0 <= row.attempts <= row.max_attempts
        assert row.status != "succeeded" or row.id not in self.unwanted, "cancelled, and answered"
        assert (row.response_key is not None) == (row.status == "succeeded")
        if row.status == "succeeded":
            assert self.stage.answered(row) == self.asked[row.id] + ANSWER_ADDS
        if row.status == "failed" and not row.refused:
            dead = {request_id for _, request_id, _ in self.stage.queues.dead}
            assert row.id in dead, "it failed, and nobody was told"
            assert self.asked[row.id] <= FAILS or "lost" in (row.error or "")

    def ended(self) -> None:
        """Check what holds when everything has settled."""
        assert [row for row in self.stage.rows() if row.open] == []
        told = set(self.stage.called_back.sent)
        assert [
            row.id for row in self.stage.rows() if row.callback_due and row.id not in told
        ] == []

    def _named(self, name: str, model: str) -> AsyncRequest:
        (row,) = (row for row in self.stage.rows() if (row.name, row.model) == (name, model))
        return row
