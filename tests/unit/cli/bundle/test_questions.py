"""serval_cli/bundle/questions.py: what ``serval init`` asks a person."""

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from serval_cli.bundle.questions import ask_name, ask_source, choice_of, choose_number, propose_name
from serval_cli.commands.publish import init as command
from tests.fakes.init_command import write_graph


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """A terminal at which a person types."""
    monkeypatch.setattr(command, "can_ask", lambda: True)
    return CliRunner()


def test_without_arguments_it_asks_what_one_has(terminal: CliRunner, tmp_path: Path) -> None:
    graph = write_graph(tmp_path / "Net 2.onnx")
    typed = f"1\n{tmp_path / 'nothing'}\n{graph}\n\n"
    ended = terminal.invoke(command.app, ["--dir", str(tmp_path / "made")], input=typed)
    assert ended.exit_code == 0, ended.output
    assert f"{tmp_path / 'nothing'} is not there" in ended.stderr
    assert "[net-2]" in ended.stderr
    assert (tmp_path / "made" / "model.yaml").is_file()


def test_one_may_have_nothing_yet(terminal: CliRunner, tmp_path: Path) -> None:
    ended = terminal.invoke(
        command.app, ["--dir", str(tmp_path / "made")], input="9\n4\nA b\niris\n"
    )
    assert ended.exit_code == 0, ended.output
    assert "'9': a number from 1 to 4 expected" in ended.stderr
    assert "'A b': expected 1 to 63 lower-case letters" in ended.stderr
    assert "name: iris\n" in (tmp_path / "made" / "model.yaml").read_text()


def test_nobody_is_asked_without_a_terminal() -> None:
    ended = CliRunner().invoke(command.app, [])
    assert ended.exit_code == 2
    assert "NAME expected" in ended.stderr
    assert choice_of("graph") is None


def test_a_name_is_proposed_from_the_file(tmp_path: Path) -> None:
    assert propose_name(tmp_path / "Distil BERT.v2") == "distil-bert-v2"
    assert propose_name(Path("/")) is None


def test_questions_go_to_stderr() -> None:
    app = typer.Typer()

    @app.command()
    def questions() -> None:
        typer.echo(f"{choose_number(['a', 'b'])} {ask_source()} {ask_name(None)}")

    ended = CliRunner().invoke(app, [], input="2\n4\nm\n")
    assert ended.stdout.splitlines()[-1] == "1 None m"
    assert "Number" not in ended.stdout
