"""The layers for this machine, built again where their sources changed."""

import os
import sys
from pathlib import Path

from serval_cli.local.processes.step import StepProcesses


def build(processes: StepProcesses, checkout: Path) -> None:
    """Build what is not up to date; the builder itself sees what that is."""
    command = [sys.executable, "-m", "layers.dependencies.build", "--variant", "local"]
    # With the caller's environment: what changed may have to be downloaded.
    processes.run("layers", command, environment=os.environ, folder=checkout)
