"""Suggest the model name that a mistyped one was meant to be."""

from collections.abc import Callable, Iterable
from difflib import get_close_matches

from serval.errors import ServalError
from serval_cli.failures import CommandFailed

Names = Callable[[], Iterable[str]]
_known: list[Names] = []
"""Lists the models of the stage in use, if there is one."""


def know_models(names: Names) -> None:
    """Remember how to list the stage's models."""
    _known[:] = [names]


def known_models() -> list[str]:
    """List the stage's models; none without a stage."""
    try:
        return [name for names in _known for name in names()]
    except (CommandFailed, ServalError):
        return []


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Suggest the most similar name, if one is similar enough."""
    near = get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
