"""Pickled models, which run code when they are loaded."""

import warnings
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from serval.foreign import parser_message
from serval_cli.failures import CommandFailed


def require_trust(path: Path, *, trust: bool, what: str = "is a pickle") -> None:
    """Refuse to load a pickle, or a file that has some, that nobody has vouched for.

    Raises
    ------
    CommandFailed
        Unless ``--trust`` was given.
    """
    if not trust:
        raise CommandFailed(
            f"{path} {what}: loading it runs the code in it. If it is your own, or you trust "
            "whoever made it, add --trust"
        )


def load_pickle(path: Path) -> tuple[Any, Sequence[str]]:
    """Load a file of joblib, pickle or cloudpickle; also return what its libraries warn of.

    Raises
    ------
    CommandFailed
        With the package that is missing, if one is.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            model = import_module("joblib").load(path)
        except ModuleNotFoundError as missing:
            raise CommandFailed(
                f"{path} needs the module {missing.name!r}, with which it was made: install its "
                "package here, then try again"
            ) from missing
        except Exception as error:
            raise CommandFailed(f"{path} cannot be loaded: {parser_message(error)}") from error
    versions = [one for one in caught if type(one.message).__name__ == "InconsistentVersionWarning"]
    return model, sorted({_describe_version(one.message) for one in versions})[:1]


def _describe_version(message: Any) -> str:
    return (
        f"it was made with scikit-learn {message.original_sklearn_version}, and is converted with "
        f"{message.current_sklearn_version}"
    )
