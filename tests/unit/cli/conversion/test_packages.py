"""Converters are installed when the first model needs them, and never without being asked."""

import re
import sys
import tomllib
from io import StringIO
from pathlib import Path

import pytest

from serval_cli.conversion import packages
from serval_cli.conversion.packages import ALWAYS, EXTRAS, install_command, require_extra
from serval_cli.failures import CommandFailed

PROJECT = tomllib.loads((Path(__file__).parents[4] / "pyproject.toml").read_text())["project"]


@pytest.mark.parametrize("extra", EXTRAS)
def test_each_extra_of_the_project_is_what_is_installed(extra: str) -> None:
    declared = PROJECT["optional-dependencies"][extra]
    names = {re.split(r"[=<>]", one)[0] for one in declared}
    assert names == {*EXTRAS[extra].values(), *ALWAYS.values()}


def test_what_is_there_is_not_installed() -> None:
    require_extra("sklearn", "model.pkl", yes=False)


def test_without_a_terminal_the_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    extras = {"own": {"no_such_module_of_ours": "no-such-package"}}
    monkeypatch.setattr(packages, "EXTRAS", extras)
    monkeypatch.setattr(sys, "stdin", StringIO())
    command = re.escape(f"{sys.executable} -m pip install")
    expected = rf"model\.x needs no-such-package: run `{command}.* no-such-package`, or add --yes"
    with pytest.raises(CommandFailed, match=expected):
        require_extra("own", "model.x", yes=False)


def test_packages_go_into_the_running_environment() -> None:
    assert install_command(["a", "b"])[0] == sys.executable
    assert install_command(["a", "b"])[-2:] == ["a", "b"]
