"""``serval secrets``: what becomes of a value, and that nothing shows it."""

import io
import sys
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from serval.bundles.bundle import read_bundle
from serval_cli.commands.publish import secrets
from serval_cli.failures import CommandFailed
from tests.fakes.command_line import Ended, Terminal
from tests.fakes.secrets import InMemorySecrets

VALUE = "hf_0123456789"


@dataclass
class SecretCommands(Terminal):
    """A user whose stage has one model."""

    secrets: InMemorySecrets = field(default_factory=InMemorySecrets)
    name: str = "dev"

    def __post_init__(self) -> None:
        self.monkeypatch.setattr(secrets, "find_stage", lambda *_, **__: self)

    @property
    def registry(self) -> Any:
        return SimpleNamespace(models=lambda: ["shelf"])

    def set(self, value: bytes, *words: str) -> Ended:
        """Set a secret from stdin."""
        self.monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(value)))
        return self.serval("secrets", "set", *words)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> SecretCommands:
    return SecretCommands(monkeypatch, capsys)


def test_a_value_comes_from_stdin_without_its_line_end(terminal: SecretCommands) -> None:
    made = terminal.set(f"{VALUE}\n".encode(), "shelf", "hub-token", "--json")
    assert made.value == {"model": "shelf", "name": "hub-token", "version": 1}
    assert terminal.secrets.values == {"hub-token": VALUE}
    assert made.err == ""


def test_a_replaced_value_is_said_to_wait_for_the_next_process(terminal: SecretCommands) -> None:
    terminal.set(b"before", "shelf", "hub-token")
    again = terminal.set(VALUE.encode(), "shelf", "hub-token")
    assert "keeps the value that it started with" in again.err
    assert "`secrets: {VARIABLE: hub-token}` in its model.yaml" in again.out


def test_a_secret_may_be_there_before_its_model(terminal: SecretCommands) -> None:
    assert "model 'new' is not registered yet" in terminal.set(b"x", "new", "token").err


def test_a_terminal_is_asked_without_showing_the_value(
    terminal: SecretCommands, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr(secrets.typer, "prompt", lambda text, **how: (asked.append(how), VALUE)[1])
    ended = terminal.serval("secrets", "set", "shelf", "hub-token")
    assert ended.code == 0
    assert asked == [{"hide_input": True, "err": True}]
    assert terminal.secrets.values == {"hub-token": VALUE}


def test_no_command_shows_a_value(terminal: SecretCommands) -> None:
    terminal.set(VALUE.encode(), "shelf", "hub-token")
    [listed] = terminal.serval("secrets", "list", "shelf", "--json").value["secrets"]
    assert (listed["name"], listed["version"]) == ("hub-token", 1)
    for words in (("list", "shelf"), ("delete", "shelf", "hub-token")):
        ended = terminal.serval("secrets", *words)
        assert "hub-token" in ended.out
        assert VALUE not in ended.out + ended.err
    assert terminal.secrets.values == {}
    assert "has no secrets" in terminal.serval("secrets", "list", "shelf").out


@pytest.mark.parametrize(
    ("value", "words", "said"),
    [
        (b"\n", ("shelf", "a"), "secret 'a': 0 bytes given, 1 to 4096 expected on stdin"),
        (b"x" * 4097, ("shelf", "a"), "4097 bytes given"),
        (b"\xff", ("shelf", "a"), "text in UTF-8 expected on stdin"),
        (b"a\0b", ("shelf", "a"), "text without NUL characters expected on stdin"),
        (b"x", ("shelf", "a/b"), "secret 'a/b': 1 to 128 letters, digits"),
        (b"x", ("Shelf", "a"), "'Shelf' is not a model name: expected 1 to 63 lower"),
    ],
)
def test_what_cannot_be_a_secret_is_refused(
    terminal: SecretCommands, value: bytes, words: tuple[str, ...], said: str
) -> None:
    assert said in terminal.set(value, *words).failure
    assert terminal.secrets.values == {}


def test_a_secret_that_is_not_there_cannot_be_deleted(terminal: SecretCommands) -> None:
    ended = terminal.serval("secrets", "delete", "shelf", "other")
    assert "model 'shelf' has no secret 'other': `serval secrets list shelf`" in ended.failure


def test_a_bundle_is_not_pushed_before_its_secrets_are_set(terminal: SecretCommands) -> None:
    bundle = read_bundle("name: shelf\nsecrets: {A: hub-token, B: other}")
    terminal.secrets.set("shelf", "hub-token", VALUE)
    said = "secret 'other', .* is not set on stage 'dev': `serval secrets set shelf other`"
    with pytest.raises(CommandFailed, match=said):
        secrets.check_secrets(bundle, terminal)  # type: ignore[arg-type]
    terminal.secrets.set("shelf", "other", VALUE)
    secrets.check_secrets(bundle, terminal)  # type: ignore[arg-type]
