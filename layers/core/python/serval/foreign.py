"""Foreign parsers: turn whatever a library raises about a stranger's bytes into an error of ours.

Many of them are written in C, C++ or Rust and raise more than they document, down to panics, which
do not even derive from ``Exception``. So each is called in one place, inside ``refusing``.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from serval.errors import ServalError

PANIC = "PanicException"
"""What PyO3 raises when Rust panics: a ``BaseException``, with a class of its own per library."""
MESSAGE_CHARACTERS = 1_000


@contextmanager
def refusing(refusal: Callable[[str], Exception]) -> Iterator[None]:
    """Replace whatever a parser raises by ``refusal``, called with the parser's message.

    Keep the block small: a bug of ours inside it would look like the stranger's mistake. Errors
    that are Serval's own pass through.
    """
    try:
        yield
    except ServalError:
        raise
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != PANIC:
            raise
        raise refusal(parser_message(error)) from error


def parser_message(error: BaseException) -> str:
    """Return a parser's message on one line."""
    text = " ".join(str(error).split())[:MESSAGE_CHARACTERS]
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if isinstance(error, MemoryError):
        return "it takes more memory than this machine has"
    return text or type(error).__name__
