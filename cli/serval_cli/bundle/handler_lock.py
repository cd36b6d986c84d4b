"""Pin a handler's packages: ``requirements.txt`` becomes ``requirements.lock``, by uv."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from serval.bundles.handlers import write_lock
from serval.errors import BundleRefused
from serval.handlers.conventions import HandlerFile
from serval_cli.failures import CommandFailed

PYTHON = "3.13"
PLATFORMS = {"lambda": "aarch64-manylinux_2_28", "fleet": "x86_64-manylinux_2_28"}
"""Where a model runs → uv's name of the machines there."""
NO_WHEEL = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)\S* has no (usable )?wheels")
NAME = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")
MESSAGE_CHARACTERS = 600


def lock_packages(folder: Path, file: HandlerFile, target: str) -> int | None:
    """Write a handler's lock; return the number of packages, or None if it names none.

    Raises
    ------
    BundleRefused
        If a package cannot be had for the machines of ``target``, with the line that asks for it.
    CommandFailed
        If uv is not here.
    """
    requirements = folder / file.requirements
    if not requirements.is_file():
        (folder / file.lock).unlink(missing_ok=True)
        return None
    text = requirements.read_bytes()
    pins = resolve(requirements, target)
    (folder / file.lock).write_text(write_lock(text, pins))
    return sum("==" in line for line in pins.splitlines())


def resolve(requirements: Path, target: str) -> str:
    """Resolve requirements to pinned versions with the hashes of their wheels."""
    platform = PLATFORMS[target]
    run = subprocess.run(
        [
            find_uv(),
            *("pip", "compile", "--quiet", "--no-header", "--no-annotate", "--generate-hashes"),
            *("--only-binary=:all:", f"--python-version={PYTHON}", f"--python-platform={platform}"),
            str(requirements),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        raise BundleRefused([explain(run.stderr, requirements, platform)])
    return run.stdout


def explain(said: str, requirements: Path, platform: str) -> str:
    """Explain why requirements cannot be resolved, with the line to blame if uv names it."""
    found = NO_WHEEL.search(said)
    if found is None:
        return f"{requirements.name}: {' '.join(said.split())[:MESSAGE_CHARACTERS]}"
    name = found[1].partition("==")[0]
    return (
        f"{requirements.name}{_line_of(name, requirements)}: package {name} has no wheel for "
        f"Python {PYTHON} on {platform}, where the handler is to run"
    )


def _line_of(name: str, requirements: Path) -> str:
    wanted = _normal(name)
    for number, line in enumerate(requirements.read_text().splitlines(), start=1):
        asked = NAME.match(line)
        if asked and _normal(asked[1]) == wanted:
            return f" line {number}"
    return ""


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def find_uv() -> str:
    """Find uv beside this Python, else on PATH."""
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    if found is None:
        raise CommandFailed("uv is neither beside this Python nor on PATH: `pip install uv`")
    return found
