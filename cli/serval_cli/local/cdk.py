"""Run the real CDK CLI against the emulator: bootstrap, synth, deploy."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from serval_cli.local.aws_client import ACCOUNT, REGION, environment
from serval_cli.local.processes.step import StepProcesses
from serval_cli.local.progress import Detail
from serval_cli.local.state_folder import StateFolder
from serval_cli.local.toolchain import Toolchain

RESOURCES = re.compile(r"^(\S+) \| +(\d+/\d+) \|")
"""A line of a deployment's progress: stack, resources done of all, time, state, …"""
UNCHECKED = {"CDK_VALIDATION": "false"}
"""CDK's own rules for templates take half of a synthesis; they are asked for deployments to AWS."""


class Cdk:
    """The CDK CLI for one local stage."""

    def __init__(
        self,
        toolchain: Toolchain,
        folder: StateFolder,
        processes: StepProcesses,
        endpoint: str,
        context: Mapping[str, str],
    ) -> None:
        self._toolchain = toolchain
        self._folder = folder
        self._processes = processes
        self._context = {"stage": "local", **context}
        self._environment = environment(endpoint) | UNCHECKED
        self._environment |= {"JSII_NODE": toolchain.jsii_node()}

    def bootstrap(self, detail: Detail) -> None:
        """Create what deployments need, such as the bucket for assets."""
        # Outside the checkout, whose cdk.json would have the app run first.
        where = self._folder.path
        self._run("bootstrap", ["bootstrap", f"aws://{ACCOUNT}/{REGION}"], where, detail)

    def synthesise(self, detail: Detail) -> None:
        """Run the CDK app for the stage ``local``."""
        self._share_asset_cache()
        options = ["--no-staging", "--output", str(self._folder.assembly)]
        for name, value in self._context.items():
            options += ["--context", f"{name}={value}"]
        command = ["synth", "--quiet", "--app", self._toolchain.app(), *options]
        self._run("synth", command, self._toolchain.checkout, detail)

    def deploy(self, detail: Detail) -> None:
        """Deploy the synthesised stacks; unchanged ones take a second."""
        options = ["--all", "--require-approval", "never", "--concurrency", "2"]
        options += ["--progress", "events", "--method", "direct"]
        command = ["deploy", "--app", str(self._folder.assembly), *options]
        self._run("deploy", command, self._toolchain.checkout, detail)

    def _share_asset_cache(self) -> None:
        """Share zipped assets between stages: the layers take seconds to compress."""
        self._toolchain.asset_cache.mkdir(parents=True, exist_ok=True)
        self._folder.assembly.mkdir(exist_ok=True)
        link = self._folder.assembly / ".cache"
        if not link.is_symlink():
            link.symlink_to(self._toolchain.asset_cache)

    def _run(self, step: str, arguments: Sequence[str], where: Path, detail: Detail) -> None:
        def show_resources(line: str) -> None:
            if match := RESOURCES.match(line):
                detail(f"{match[1]} {match[2]}")

        command = [str(self._toolchain.cdk), *arguments, "--no-color"]
        self._processes.run(
            step, command, environment=self._environment, folder=where, said=show_resources
        )
