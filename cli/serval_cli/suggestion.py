"""What somebody may have meant who mistyped a name."""

from collections.abc import Callable, Iterable
from difflib import get_close_matches

from serval.errors import ServalError
from serval_cli.failures import CommandFailed

Names = Callable[[], Iterable[str]]
_known: list[Names] = []
"""How to list the models of the stage that this process works on."""


def know_models(names: Names) -> None:
    """Remember how the stage's models are listed, should one not be found."""
    _known[:] = [names]


def known_models() -> list[str]:
    """List the stage's models; none where no stage is at hand."""
    try:
        return [name for names in _known for name in names()]
    except (CommandFailed, ServalError):
        return []


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Offer the name that is nearest, if one is near."""
    near = get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
