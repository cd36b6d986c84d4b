"""Libraries that convert models, installed when the first model needs them."""

import importlib
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec

import typer

from serval_cli.failures import CommandFailed
from serval_cli.output import note

EXTRAS: Mapping[str, Mapping[str, str]] = {
    "sklearn": {"joblib": "joblib", "sklearn": "scikit-learn", "skl2onnx": "skl2onnx"},
    "xgboost": {"xgboost": "xgboost", "sklearn": "scikit-learn", "onnxmltools": "onnxmltools"},
    "lightgbm": {"lightgbm": "lightgbm", "sklearn": "scikit-learn", "onnxmltools": "onnxmltools"},
    "catboost": {"catboost": "catboost"},
    "mlflow": {"cloudpickle": "cloudpickle"},
    "pandas": {"pandas": "pandas"},
    "torch": {"torch": "torch", "onnxscript": "onnxscript"},
    "keras": {"keras": "keras", "torch": "torch", "onnxscript": "onnxscript"},
    "tensorflow": {"tensorflow": "tensorflow", "tf2onnx": "tf2onnx"},
}
"""Extra of the project → its modules, and the package that each comes in."""
ALWAYS = {"onnxruntime": "onnxruntime"}
"""Runs the converted graph for the comparison."""


def require_extra(extra: str, purpose: str, *, yes: bool) -> None:
    """Install what an extra lacks into the running environment, after one question.

    Parameters
    ----------
    purpose
        Begins the question or the error, as in "model.joblib".
    yes
        Whether the answer is known.

    Raises
    ------
    CommandFailed
        With the command that installs it, if nobody can be asked, it is declined or it fails.
    """
    wanted = {**EXTRAS[extra], **ALWAYS}
    missing = sorted({package for module, package in wanted.items() if not find_spec(module)})
    if not missing:
        return
    command = install_command(missing)
    text = " ".join(command)
    if not yes:
        if not sys.stdin.isatty():
            raise CommandFailed(
                f"{purpose} needs {', '.join(missing)}: run `{text}`, or add --yes to have it run"
            )
        if not typer.confirm(f"{purpose} needs {', '.join(missing)}. Install with `{text}`?"):
            raise CommandFailed(f"{purpose} needs {', '.join(missing)}: `{text}`")
    note(f"installing {', '.join(missing)} into {sys.prefix}")
    if subprocess.run(command, check=False, stdout=sys.stderr).returncode:
        raise CommandFailed(f"`{text}` failed")
    importlib.invalidate_caches()


def install_command(packages: Sequence[str]) -> list[str]:
    """Return the command that installs packages here, by pip or, where there is none, by uv."""
    if find_spec("pip") is None and shutil.which("uv"):
        return ["uv", "pip", "install", "--python", sys.executable, *packages]
    return [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", *packages]
