"""The ``serval`` command in this process, on a stage in memory."""

import importlib
import json
import sys
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from serval.clock import utc_now
from serval_cli import main
from tests.fakes.registration import InMemoryRegistry
from tests.fakes.rollouts import RollingModel

YESTERDAY = utc_now() - timedelta(days=1)
"""Commands have the real clock; what the stage did was before."""
COMMANDS = ("diff", "promote", "rollback", "rollout", "versions")


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def value(self) -> Any:
        assert self.code == 0, self.err
        return json.loads(self.out)

    @property
    def failure(self) -> str:
        """Give the message of a command that failed as expected."""
        assert (self.code, self.out) == (1, ""), self
        assert self.err.startswith("error: ")
        return " ".join(self.err.split())


@dataclass
class Terminal:
    """A user at a terminal."""

    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def serval(self, *words: str) -> Ended:
        """Run a command."""
        self.monkeypatch.setattr(sys, "argv", ["serval", *words])
        self.capsys.readouterr()
        try:
            main.main()
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
        return Ended(code, *self.capsys.readouterr())


@dataclass
class CommandLine(Terminal):
    """A user whose stage has one model."""

    model: RollingModel
    sent: list[dict[str, Any]] = field(default_factory=list)
    """Events on the bus."""

    def __post_init__(self) -> None:
        for name in COMMANDS:
            module = importlib.import_module(f"serval_cli.commands.publish.{name}")
            self.monkeypatch.setattr(module, "find_stage", lambda *_, **__: self)

    @property
    def registry(self) -> InMemoryRegistry:
        return self.model.registry

    def client(self, service: str) -> Any:
        assert service == "events"
        return self

    def put_events(self, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        self.sent += [json.loads(entry["Detail"]) for entry in Entries]
        return {"FailedEntryCount": 0}
