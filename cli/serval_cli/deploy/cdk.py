"""Run the CDK CLI for a stage in AWS."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from serval_cli.deploy.assembly import Assembly
from serval_cli.failures import CommandFailed
from serval_cli.local.progress import Steps
from serval_cli.local.toolchain import Toolchain

REFUSED = "serval: "
"""Prefix of the app's own messages."""


class SynthesisFailed(CommandFailed):
    """The CDK app refused its settings, or failed."""

    def __init__(self, step: str, said: str) -> None:
        reason = said.rpartition(REFUSED)[2] if REFUSED in said else said[-2000:]
        super().__init__(f"{step} failed: {reason.strip()}")


@dataclass(frozen=True, slots=True)
class CdkForAws:
    """Synthesises into a folder below the state folder, and deploys from there."""

    toolchain: Toolchain
    folder: Path
    steps: Steps

    def synthesise(self, settings: Mapping[str, str]) -> Assembly:
        """Build the layers that changed, and write the templates."""
        with self.steps.step("layers: build what changed"):
            self._run([sys.executable, "-m", "layers.dependencies.build", "--variant", "aws"])
        context = [word for pair in settings.items() for word in ("-c", "=".join(pair))]
        with self.steps.step("synth: run the CDK app"):
            command = ["synth", "--quiet", "--app", self.toolchain.app(), *context]
            self._run([str(self.toolchain.cdk), *command, "--output", str(self.folder)])
        return Assembly.read(self.folder)

    def deploy(self) -> None:
        """Deploy the written templates; CDK reports its own progress."""
        command = [str(self.toolchain.cdk), "deploy", "--app", str(self.folder), "--all"]
        command += ["--require-approval", "never"]
        # stdout is reserved for the command's result.
        run = subprocess.run(
            command,
            cwd=self.toolchain.checkout,
            env=self._environment(),
            stdout=sys.stderr,
            check=False,
        )
        if run.returncode != 0:
            raise CommandFailed(
                "CDK could not deploy, for the reason above; what was deployed before still "
                "answers: fix the cause and run the command again"
            )

    def _run(self, command: Sequence[str]) -> None:
        run = subprocess.run(
            command,
            cwd=self.toolchain.checkout,
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if run.returncode != 0:
            raise SynthesisFailed("synth" if "synth" in command else "layers", run.stdout)

    def _environment(self) -> Mapping[str, str]:
        return os.environ | {"JSII_NODE": self.toolchain.jsii_node()}
