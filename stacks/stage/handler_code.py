"""The code of a function that runs one model's handler: our handler, and the model's packages."""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

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


def handler_code(function: str, model: str, bundle: Path, layers: str, built: Path = BUILT) -> Path:
    """Return a folder with a function's code and a bundle's packages, making it if need be.

    Parameters
    ----------
    layers
        The variant of the stage's layers: its packages are for the same machine.

    Raises
    ------
    HandlerNotDeployable
        If a package cannot be had, or together they are too large for Lambda.
    """
    variant = next(one for one in VARIANTS if one.name == layers)
    file = find_handler([one.path for one in HANDLER_FILES if (bundle / one.path).is_file()])
    if file is None:
        raise HandlerNotDeployable(model, f"{bundle} has no handler any more")
    lock = bundle / file.lock
    pins = lock.read_bytes() if lock.is_file() else b""
    sources = sorted((FUNCTIONS / function).glob("*.py"))
    digest = hashlib.sha256(machine(variant).encode() + pins)
    for source in sources:
        digest.update(source.read_bytes())
    target = built / f"{function}-{digest.hexdigest()[:24]}"
    if target.is_dir():
        return target
    built.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=built, prefix="making-") as aside:
        made = Path(aside, "code")
        packages = made / FOLDER / PACKAGES
        packages.mkdir(parents=True)
        for source in sources:
            shutil.copy(source, made)
        (made / FOLDER / LOCK).write_bytes(pins)
        if pins:
            install_packages(model, lock, variant, packages)
        check_size(model, packages)
        put_in_place(made, target)
    return target


def put_in_place(made: Path, target: Path) -> None:
    """Rename a folder that is named for its content; another process may have been faster."""
    try:
        made.rename(target)
    except OSError:
        if not target.is_dir():
            raise


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


def check_size(model: str, packages: Path) -> None:
    """Refuse packages that do not fit Lambda beside our layers."""
    size_mb = sum(sizes(packages)) / 1e6
    if size_mb > LEFT_MB:
        raise HandlerNotDeployable(
            model,
            f"its packages have {size_mb:.0f} MB, and a function has room for {LEFT_MB} MB beside "
            "Serval's own: use fewer, or 'compute: {target: fleet}'",
        )


def sizes(folder: Path) -> Iterator[int]:
    """Yield the size of each file in bytes."""
    return (path.stat().st_size for path in folder.rglob("*") if path.is_file())
