"""serval_cli/commands: those that change a stage say first where it is."""

import importlib
import sys
from pathlib import Path

import pytest

from serval_cli import main
from serval_cli.failures import CommandFailed

WRITE = (
    "batch cancel j",
    "batch retry j",
    "batch run iris s3://bucket/input.csv",
    "invoke infer EVENT",
    "keys create app",
    "keys revoke k",
    "pause textgen",
    "promote iris",
    "push models/iris",
    "redrive textgen",
    "resume textgen",
    "rollback iris",
    "rollout abort iris",
    "rollout pause iris",
    "rollout resume iris",
    "secrets delete iris hub-token",
    "secrets set iris hub-token",
)
READ = (
    "keys list",
    "models",
    "redrive textgen --inspect",
    "rollout show iris",
    "secrets list iris",
    "versions iris",
)


@pytest.mark.parametrize(
    ("line", "writes"), [*((line, True) for line in WRITE), *((line, False) for line in READ)]
)
def test_a_command_says_where_it_writes_before_it_does(
    line: str,
    writes: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    event = tmp_path / "event.json"
    event.write_text("{}")
    words = line.replace("EVENT", str(event)).split()
    place, _ = main.COMMANDS[words[0]]
    module = importlib.import_module(place.partition(":")[0])
    if words[0] == "push":
        monkeypatch.setattr(module, "read_folder", lambda _: None)

    def find_stage(_: str | None, *, writes: bool = False) -> None:
        raise CommandFailed(f"found, writes={writes}")

    monkeypatch.setattr(module, "find_stage", find_stage)
    monkeypatch.setattr(sys, "argv", ["serval", *words])
    with pytest.raises(SystemExit):
        main.main()
    assert capsys.readouterr().err == f"error: found, writes={writes}\n"
