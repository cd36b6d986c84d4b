"""What the functions of one model's handler are made of: our handlers, and the model's packages."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

from layers.dependencies.declarations import LAMBDA_LIMIT_MB, VARIANTS, Variant, machine
from layers.dependencies.installation import uv
from serval.handlers.conventions import HANDLER_FILES, find_handler
from serval.handlers.deployed import FOLDER, LOCK, PACKAGES

BUILT = Path(__file__).parents[2] / "build" / "handlers"
FUNCTIONS = Path(__file__).parents[2] / "functions"
LAYERS_MB = 110
"""What the layers of an inference function have at most, in millions of bytes."""
LEFT_MB = LAMBDA_LIMIT_MB - LAYERS_MB


class HandlerNotDeployable(Exception):
    """A handler's packages cannot be installed, or do not fit a function."""

    def __init__(self, model: str, problem: str) -> None:
        super().__init__(f"model {model!r}: {problem}")


@dataclass(frozen=True)
class HandlerPackages:
    """The packages of a bundle's lock, installed for the machine of a variant of the layers."""

    model: str
    pins: bytes
    """The lock; empty if there is none."""
    variant: Variant
    folder: Path

    @classmethod
    def install(cls, model: str, bundle: Path, layers: str, built: Path = BUILT) -> Self:
        """Install what a bundle's lock names, unless that is there from before.

        Parameters
        ----------
        layers
            The variant of the stage's layers: its packages are for the same machine.

        Raises
        ------
        HandlerNotDeployable
            If a package cannot be had.
        """
        variant = next(one for one in VARIANTS if one.name == layers)
        file = find_handler([one.path for one in HANDLER_FILES if (bundle / one.path).is_file()])
        if file is None:
            raise HandlerNotDeployable(model, f"{bundle} has no handler any more")
        lock = bundle / file.lock
        pins = lock.read_bytes() if lock.is_file() else b""
        name = hashlib.sha256(machine(variant).encode() + pins).hexdigest()[:24]

        def fill(folder: Path) -> None:
            if pins:
                install_packages(model, lock, variant, folder)

        return cls(model, pins, variant, make(built / f"packages-{name}", fill))

    @cached_property
    def size_mb(self) -> float:
        """Their size in millions of bytes."""
        return sum(sizes(self.folder)) / 1e6

    @property
    def are_large(self) -> bool:
        """Whether a zip has no room for them beside our layers."""
        return self.size_mb > LEFT_MB

    @property
    def need_image(self) -> bool:
        """Whether their functions are images; a laptop runs folders of any size."""
        return self.variant.name == "aws" and self.are_large

    def copy_into(self, folder: Path) -> None:
        """Put packages and lock where a function looks for them."""
        shutil.copytree(self.folder, folder / FOLDER / PACKAGES, copy_function=link)
        (folder / FOLDER / LOCK).write_bytes(self.pins)


def handler_code(function: str, packages: HandlerPackages, built: Path = BUILT) -> Path:
    """Return a folder with a function's code and its packages, making it if need be."""
    sources = function_sources(function)
    digest = hashlib.sha256(packages.folder.name.encode())
    for source in sources:
        digest.update(source.read_bytes())

    def fill(folder: Path) -> None:
        for source in sources:
            shutil.copy(source, folder)
        packages.copy_into(folder)

    return make(built / f"{function}-{digest.hexdigest()[:24]}", fill)


def function_sources(function: str) -> list[Path]:
    """Return the files of a function."""
    return sorted((FUNCTIONS / function).glob("*.py"))


def make(target: Path, fill: Callable[[Path], None]) -> Path:
    """Return a folder that is named for its content, filling it if it is not there."""
    if not target.is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=target.parent, prefix="making-") as aside:
            made = Path(aside, "made")
            made.mkdir()
            fill(made)
            put_in_place(made, target)
    return target


def put_in_place(made: Path, target: Path) -> None:
    """Rename a folder that is named for its content; another process may have been faster."""
    try:
        made.rename(target)
    except OSError:
        if not target.is_dir():
            raise


def link(source: str, target: str) -> None:
    """Let a file have a second name, or copy it to another disk."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def install_packages(model: str, lock: Path, variant: Variant, folder: Path) -> None:
    """Install a lock's wheels for the machine of a variant, checking their hashes."""
    where = (
        [f"--python-version={variant.python}", f"--python-platform={variant.platform}"]
        if variant.platform
        else [f"--python={sys.executable}"]
    )
    run = subprocess.run(
        [
            *(uv(), "pip", "install", "--quiet", "--no-deps", "--require-hashes"),
            *("--only-binary=:all:", *where, "--target", str(folder), "--requirement", str(lock)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        raise HandlerNotDeployable(model, f"its packages: {run.stderr.strip()}")


def sizes(folder: Path) -> Iterator[int]:
    """Yield the size of each file in bytes."""
    return (path.stat().st_size for path in folder.rglob("*") if path.is_file())
