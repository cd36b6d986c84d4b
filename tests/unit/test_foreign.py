"""foreign.py: whatever a parser raises becomes a refusal, and nothing else does."""

import pytest

from serval.errors import BatchRefused, BundleRefused
from serval.foreign import refusing


class PanicException(BaseException):
    """As PyO3 names it, in every library anew."""


def raised(error: BaseException) -> BaseException:
    with pytest.raises(BaseException) as found, refusing(BatchRefused):  # noqa: PT011
        raise error
    return found.value


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("two\n  lines"), "two lines"),
        (PanicException("called `unwrap()` on `None`"), "called `unwrap()` on `None`"),
        (RecursionError("maximum recursion depth exceeded"), "nested too deeply"),
        (MemoryError(), "it takes more memory than this machine has"),
        (KeyError(), "KeyError"),
        (OSError("x" * 5_000), "x" * 1_000),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_a_parser_raises_becomes_a_refusal_that_says_it(error: BaseException, said: str):
    refusal = raised(error)
    assert (type(refusal), str(refusal), refusal.__cause__) == (BatchRefused, said, error)


@pytest.mark.parametrize(
    "error", [BundleRefused(["ours"]), KeyboardInterrupt(), SystemExit(1), GeneratorExit()]
)
def test_errors_of_ours_and_the_end_of_the_program_pass(error: BaseException):
    assert raised(error) is error
