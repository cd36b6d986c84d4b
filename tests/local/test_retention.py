"""The emulator's memory under a load that goes on: no stage."""

import subprocess
from pathlib import Path

from serval_cli.local.server import PYTHON_SOURCES, environment
from serval_cli.local.toolchain import Toolchain

PROGRAM = Path(__file__).with_name("emulated_past.py")


def test_the_emulator_grows_no_more_once_it_keeps_as_much_as_it_may(tmp_path: Path) -> None:
    run = subprocess.run(
        [Toolchain.find().emulator_python, PROGRAM],
        env=environment(1, tmp_path) | {"PYTHONPATH": str(PYTHON_SOURCES)},
        capture_output=True,
        text=True,
        check=True,
    )
    _, second, *_, last = map(int, run.stdout.split())
    assert last < second * 1.02
