"""Foreign parsers: whatever one of them raises about a stranger's bytes becomes a refusal of ours.

Others have written them, many in C, C++ or Rust, and what they raise is more than they document:
among it panics, which Python does not even count among its exceptions. So each of them is called
in one place, which lets nothing else through.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from serval.errors import ServalError

PANIC = "PanicException"
"""What PyO3 raises when Rust panics: a ``BaseException``, of a class that each library has anew."""
SAID_CHARACTERS = 1_000


@contextmanager
def refusing(refusal: Callable[[str], Exception]) -> Iterator[None]:
    """Raise ``refusal``, given what was said, in place of all that a parser raises.

    As little as possible belongs in the block beside the parser: a mistake of ours there would be
    taken for the stranger's. What has become an error of ours stays as it is.
    """
    try:
        yield
    except ServalError:
        raise
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != PANIC:
            raise
        raise refusal(said(error)) from error


def said(error: BaseException) -> str:
    """Put a parser's complaint in a line."""
    text = " ".join(str(error).split())[:SAID_CHARACTERS]
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if isinstance(error, MemoryError):
        return "it takes more memory than there is"
    return text or type(error).__name__
