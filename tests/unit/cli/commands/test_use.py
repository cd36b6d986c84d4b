"""serval_cli/commands/stages/use.py: the choice is shown, remembered and forgotten."""

from pathlib import Path

import pytest

from serval_cli.commands.stages.use import describe_choice, use


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("SERVAL_STAGE", raising=False)
    monkeypatch.setenv("SERVAL_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


def test_use_shows_the_choice_and_where_it_comes_from(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert describe_choice() == {"stage": None, "source": None}
    use("canary")
    assert describe_choice() == {"stage": "canary", "source": str(state / "stage")}
    monkeypatch.setenv("SERVAL_STAGE", "prod")
    assert describe_choice() == {"stage": "prod", "source": "SERVAL_STAGE"}


def test_use_notes_that_the_variable_still_decides(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SERVAL_STAGE", "prod")
    use("prod")
    assert capsys.readouterr().err == ""
    use("canary")
    said = "'canary' is remembered, and counts once SERVAL_STAGE is no longer set"
    assert said in capsys.readouterr().err


def test_use_forgets_the_choice() -> None:
    use("canary")
    use(none=True)
    assert describe_choice() == {"stage": None, "source": None}
