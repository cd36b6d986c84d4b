"""Runs the files of ``clients``, in the environment that has the clients, against a stage."""

import os
import subprocess
from pathlib import Path

from tests.local.conftest import LocalStage

CLIENTS = Path(__file__).parent / "clients"
PYTHON = CLIENTS.parents[2] / "build" / "environments" / "clients" / "bin" / "python"


def hold_conversation(client: str, stage: LocalStage, **variables: str) -> None:
    """Run a client's file; the variables are of its environment."""
    assert PYTHON.exists(), "run `make test`: it makes build/environments/clients"
    run = subprocess.run(
        [
            *(PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "ignore"),
            *("--confcutdir", CLIENTS, "-c", os.devnull, "--import-mode=importlib"),
            CLIENTS / f"test_{client}.py",
        ],
        env=os.environ
        | {"SERVAL_API_URL": stage.api_url, "SERVAL_API_KEY": stage.api_key}
        | variables,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    print(run.stdout.splitlines()[-1])
