"""What holds for every test."""

import boto3
import pytest

from tests.stateful.extent import load_profile

load_profile()


@pytest.fixture(autouse=True)
def sessions_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """boto3 keeps one session a process, with the credentials of whoever asked first."""
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests that run beside each other are told the width of a terminal, which nobody sees."""
    monkeypatch.delenv("COLUMNS", raising=False)
