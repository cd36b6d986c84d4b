"""A requests table that knows what it held when each write came, and by whom it was."""

from typing import Any

from serval.clock import Clock, timestamp
from serval.requests.request import AsyncRequest
from tests.stateful.interruptions import Interrupting
from tests.stateful.row_rules import offence


class RequestWitness:
    """A store, of which every write that succeeds is held against the row that it came upon."""

    def __init__(self, store: Any, interrupting: Interrupting, clock: Clock) -> None:
        self._store, self._interrupting, self._clock = store, interrupting, clock
        self.offences: list[str] = []
        """Kept until somebody asks: whoever writes might take an error for its own."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def create(self, request: AsyncRequest) -> bool:
        there = self._store.find(request.id)
        made: bool = self._store.create(request)
        if made and there is not None:
            self.offences.append(f"a row was written over: {there} became {request}")
        return made

    def save(self, before: AsyncRequest, after: AsyncRequest) -> bool:
        there = self._store.find(before.id)
        saved: bool = self._store.save(before, after)
        if saved and there != before:
            self.offences.append(f"a change is lost: {there} was there, {before} had been read")
        elif saved:
            wrong = offence(self._interrupting.actor, before, after, timestamp(self._clock()))
            self.offences += [wrong] if wrong else []
        return saved
