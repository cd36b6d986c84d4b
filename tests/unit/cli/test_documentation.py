"""docs/cli.md has every command and every option."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.core import TyperGroup

from serval_cli.lazy import LazyCommand
from serval_cli.main import program

DOCUMENT = (Path(__file__).parents[3] / "docs" / "cli.md").read_text()


def commands(words: tuple[str, ...], command: Any) -> Iterator[tuple[str, Any]]:
    command = command.load() if isinstance(command, LazyCommand) else command
    if isinstance(command, TyperGroup):
        for name, member in command.commands.items():
            yield from commands((*words, name), member)
    else:
        yield " ".join(words), command


COMMANDS = dict(commands(("serval",), program()))


def section(path: str) -> str:
    found = re.search(rf"^#+ {path}\n(.*?)(?=^#|\Z)", DOCUMENT, re.DOTALL | re.MULTILINE)
    assert found, f"docs/cli.md has no section {path!r}"
    return found[1]


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_has_a_section_with_its_options(path: str) -> None:
    written = section(path)
    for parameter in COMMANDS[path].params:
        if parameter.param_type_name == "option" and parameter.name != "help":
            for option in (*parameter.opts, *parameter.secondary_opts):
                assert f"`{option}" in written, f"{path} {option}"
        elif parameter.param_type_name == "argument":
            name = parameter.metavar or parameter.name.upper()
            assert f" {name}" in written or f" [{name}]" in written


@pytest.mark.parametrize("path", COMMANDS)
def test_no_option_is_documented_that_is_not_there(path: str) -> None:
    options = {
        option
        for parameter in COMMANDS[path].params
        for option in (*parameter.opts, *parameter.secondary_opts)
    }
    assert set(re.findall(r"^\| `(--[a-z-]+)", section(path), re.MULTILINE)) <= options


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_prints_json_on_request(path: str) -> None:
    assert "--json" in {option for parameter in COMMANDS[path].params for option in parameter.opts}


def test_no_command_is_documented_that_is_not_there() -> None:
    sections = re.findall(r"^#+ (serval .+)$", DOCUMENT, re.MULTILINE)
    groups = {" ".join(path.split()[:-1]) for path in COMMANDS}
    assert set(sections) == set(COMMANDS) | groups - {"serval"}
