"""Collect a layer's files: the library's own sources, or wheels from a lock file."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from layers.dependencies.declarations import Layer, Variant
from layers.dependencies.failures import LayerBuildFailed

REPOSITORY = Path(__file__).parents[2]
LIBRARY = REPOSITORY / "layers" / "core" / "python"

Install = Callable[[Layer, Variant, Path], Path]
"""Given an empty folder, returns the folder that holds the files: that one or another."""


def sources(layer: Layer) -> list[Path]:
    """List the files that a layer is made from, in order."""
    if layer.lock is not None:
        return [REPOSITORY / "requirements" / layer.lock]
    files = (file for file in LIBRARY.rglob("*") if file.is_file())
    return sorted(file for file in files if "__pycache__" not in file.parts)


def install(layer: Layer, variant: Variant, folder: Path) -> Path:
    """Install the wheels that the lock file names, checking their hashes."""
    if layer.lock is None:
        return LIBRARY
    target = [f"--python-version={variant.python}", f"--python-platform={variant.platform}"]
    command = [
        uv(),
        *("pip", "install", "--quiet", "--no-deps", "--require-hashes", "--only-binary=:all:"),
        *(target if variant.platform else [f"--python={sys.executable}"]),
        *("--target", str(folder), "--requirement", str(sources(layer)[0])),
    ]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        raise LayerBuildFailed(
            f"uv could not install layer {layer.name!r} for {variant.name!r}:\n{run.stderr.strip()}"
        )
    return folder


def uv() -> str:
    """Return the uv of the running environment, else the one on PATH."""
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    if found is None:
        raise LayerBuildFailed("uv is neither in the environment nor on PATH: run 'make setup'")
    return found
