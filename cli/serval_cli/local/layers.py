"""Build the layers for this machine if their sources changed."""

import os
import sys
from pathlib import Path

from serval_cli.local.processes.step import StepProcesses


def build(processes: StepProcesses, checkout: Path) -> None:
    """Run the builder, which builds only outdated layers."""
    command = [sys.executable, "-m", "layers.dependencies.build", "--variant", "local"]
    # The caller's environment applies: packages may have to be downloaded.
    processes.run("layers", command, environment=os.environ, folder=checkout)
