"""The emulator's memory under a load that goes on: no stage."""

import json
import subprocess
from pathlib import Path

from serval_cli.local.server import PYTHON_SOURCES, environment
from serval_cli.local.toolchain import Toolchain


def output(program: str, folder: Path) -> str:
    """Run a program in the emulator's environment; gives what it printed."""
    return subprocess.run(
        [Toolchain.find().emulator_python, Path(__file__).with_name(program)],
        env=environment(1, folder) | {"PYTHONPATH": str(PYTHON_SOURCES)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout


def test_the_emulator_grows_no_more_once_it_keeps_as_much_as_it_may(tmp_path: Path) -> None:
    _, second, *_, last = map(int, output("emulated_past.py", tmp_path).split())
    assert last < second * 1.02


def test_what_expires_goes_sooner_the_oldest_first_when_there_is_much_of_it(
    tmp_path: Path,
) -> None:
    rows, objects = map(json.loads, output("emulated_expiry.py", tmp_path).splitlines())
    assert rows == ["8", "9", "open"]
    there = ["async/7", "async/8", "async/9", "batch/stays"]
    assert objects == [there, there], "keys, and those that have versions"
