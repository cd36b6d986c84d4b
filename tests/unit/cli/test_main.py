"""serval_cli/main.py: what every command line can count on."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.core import TyperGroup

from serval.errors import ModelNotFound
from serval_cli import main
from serval_cli.failures import CommandFailed
from serval_cli.lazy import LazyCommand

pytestmark = pytest.mark.slow

HEAVY = {"boto3", "botocore", "httpx", "numpy", "onnx", "pydantic", "yaml"}


def serval(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a user does."""
    return subprocess.run(
        [sys.executable, "-m", "serval_cli.main", *words],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        check=False,
    )


@pytest.mark.parametrize(
    ("option", "said"), [("--help", "Publish a bundle."), ("--version", "serval 0.1.0")]
)
def test_what_needs_no_command_imports_none(option: str, said: str) -> None:
    code = (
        "import sys; from serval_cli.main import program\n"
        f"try: program().main(['{option}'], prog_name='serval')\n"
        "except SystemExit: print(*{name.split('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said in run.stdout
    assert not HEAVY & set(run.stderr.split())


def test_every_command_is_in_one_group_of_the_help() -> None:
    grouped = [name for names in main.PANELS.values() for name in names]
    assert sorted(grouped) == sorted(main.COMMANDS)
    shown = serval("--help").stdout
    assert [shown.index(panel) for panel in main.PANELS] == sorted(map(shown.index, main.PANELS))


@pytest.mark.parametrize("words", [["--stage", "before", "use"], ["use"]])
def test_the_stage_may_be_named_before_the_command(words: list[str], tmp_path: Path) -> None:
    run = serval(*words, "--json", SERVAL_STATE=str(tmp_path), SERVAL_STAGE="variable")
    assert json.loads(run.stdout)["stage"] == ("before" if len(words) > 1 else "variable")


def test_a_stage_named_after_the_command_goes_before_one_named_before_it(tmp_path: Path) -> None:
    words = ("--stage", "local", "deploy", "--stage", "Nope")
    assert "stage 'Nope':" in serval(*words, SERVAL_STATE=str(tmp_path)).stderr


@pytest.mark.parametrize(
    ("typed", "offered"),
    [("serval rol", {"rollout", "rollback"}), ("serval push --wa", {"--wait"})],
)
def test_a_shell_completes_commands_and_options(typed: str, offered: set[str]) -> None:
    words = {"COMP_WORDS": typed, "COMP_CWORD": str(typed.count(" "))}
    run = serval(**words, _SERVAL_COMPLETE="complete_bash")
    assert set(run.stdout.split()) == offered


@pytest.mark.parametrize("words", [["--help"], ["push", "nowhere…"], ["describe", "--help"]])
def test_a_terminal_that_knows_ascii_alone_gets_no_traceback(words: list[str]) -> None:
    run = serval(*words, PYTHONIOENCODING="ascii")
    assert "Traceback" not in run.stderr
    assert run.returncode in (0, 1)


@pytest.mark.parametrize("name", main.COMMANDS)
def test_help_says_of_a_command_what_the_command_says_of_itself(name: str) -> None:
    place, summary = main.COMMANDS[name]
    told = LazyCommand(name, place, summary).load().help
    assert told.splitlines()[0] == summary


def test_version_is_printed_alone() -> None:
    run = serval("--version")
    assert (run.returncode, run.stdout, run.stderr) == (0, "serval 0.1.0\n", "")


@pytest.mark.parametrize(
    "words", [["nope"], ["push"], ["models", "--nope"], ["push", "x", "--timeout", "soon"]]
)
def test_wrong_usage_ends_with_2(words: list[str]) -> None:
    run = serval(*words)
    assert (run.returncode, run.stdout) == (2, "")
    assert "serval --help" in run.stderr or "--help" in run.stderr


def test_an_expected_failure_is_one_message_on_stderr(tmp_path: Path) -> None:
    run = serval("push", str(tmp_path / "nowhere"))
    assert (run.returncode, run.stdout) == (1, "")
    assert (
        run.stderr == f"error: {tmp_path}/nowhere does not exist: a folder with a model.yaml or a "
        "pipeline.yaml expected\n"
    )


class Failing(TyperGroup):
    """A command line whose every command fails in one way."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(name="serval")
        self.error = error

    def main(self, *args: object, **kwargs: object) -> None:
        raise self.error


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (CommandFailed("no such bundle"), 1, "error: no such bundle\n"),
        (ModelNotFound("x"), 1, "error: model 'x' is not registered: `serval models` lists those"),
        (FileNotFoundError(2, "No such file or directory", "f"), 1, "error: f: No such file"),
        (OSError(28, "No space left on device"), 1, "error: writing or reading: No space left"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_the_exit_code_says_how_it_ended(
    error: BaseException,
    code: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(main, "program", lambda: Failing(error))
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == code
    assert capsys.readouterr().err.startswith(said)


def test_an_unexpected_error_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main, "program", lambda: Failing(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        main.main()


@pytest.mark.parametrize("port", ["-1", "0", "65536"])
def test_a_port_that_no_machine_has_is_a_wrong_command_line(port: str, tmp_path: Path) -> None:
    ended = serval("local", "up", "--port", port, SERVAL_STATE=str(tmp_path))
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
    assert list(tmp_path.iterdir()) == []
