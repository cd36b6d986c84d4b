"""List the models of the stage in use, of which a mistyped name may mean one."""

from collections.abc import Callable, Iterable

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
