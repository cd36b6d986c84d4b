"""JSONata within limits: the only module that calls its library.

The port counts time from when an expression is parsed, and looks at it through callbacks. So the
limits are kept here, around each node that is evaluated. Its result is made plain: lists of its own
kind, functions and its null never leave.
"""

import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

# The library raises the limit to 10,000 for the whole process.
_LIMIT = sys.getrecursionlimit()
from jsonata import Jsonata  # noqa: E402
from jsonata.utils import Utils  # noqa: E402

sys.setrecursionlimit(_LIMIT)

MOST_SECONDS = 0.25
"""Of one evaluation, in this thread's own time: a busy machine fails no pipeline."""
MOST_DEPTH = 100
"""Of nodes that are evaluated within each other."""
MOST_ITEMS = 100_000
MOST_CHARACTERS = 1_000_000
"""Of a list, and of a text, that an expression makes on the way."""


class LimitExceeded(Exception):
    """An evaluation went over a limit."""


class BoundedJsonata(Jsonata):  # type: ignore[misc]
    """A parsed expression that is evaluated within limits."""

    clock: Callable[[], float] = time.perf_counter
    processor: Callable[[], float] = time.thread_time
    """Asked only when the other clock, ten times as fast, says that the time may be over."""
    _until = 0.0
    _processor_until = 0.0
    _depth = 0

    def answer(self, data: Mapping[str, Any]) -> Any:
        """Evaluate the expression; ``None`` for what is null, ``NOTHING`` where nothing is."""
        self.set_validate_input(False)
        self.set_output_convert_nulls(False)
        # The library evaluates by the instance that was made last in this thread.
        Jsonata.CURRENT.jsonata = self
        self._until, self._depth = self.clock() + MOST_SECONDS, 0
        self._processor_until = self.processor() + MOST_SECONDS
        result = self.evaluate(data)
        return NOTHING if result is None else plain_json(result)

    def _eval(self, expr: Any, input: Any, environment: Any) -> Any:
        self._depth += 1
        if self._depth > MOST_DEPTH:
            raise LimitExceeded(f"it is nested more than {MOST_DEPTH} deep")
        if self.clock() > self._until and self.processor() > self._processor_until:
            raise LimitExceeded(f"it takes longer than {MOST_SECONDS * 1e3:.0f} ms")
        result = super()._eval(expr, input, environment)
        self._depth -= 1
        check_size(result)
        return result

    def validate_arguments(self, function: Any, arguments: Any, context: Any) -> Any:
        """Return the arguments of a function, unless its result would be too long a text."""
        found = super().validate_arguments(function, arguments, context)
        check_growth(getattr(function, "function_name", None), found)
        return found

    def evaluate_range_expression(self, lhs: Any, rhs: Any) -> Any:
        """Make the list of a range, unless it is too long."""
        if isinstance(lhs, int) and isinstance(rhs, int) and rhs - lhs >= MOST_ITEMS:
            raise LimitExceeded(f"[{lhs}..{rhs}] has more than {MOST_ITEMS} items")
        return super().evaluate_range_expression(lhs, rhs)


class Nothing:
    """The value of an expression that finds nothing."""


NOTHING = Nothing()


def check_growth(function: str | None, arguments: Any) -> None:
    """Refuse a call, before it is made, that would make a text too long."""
    if function == "join" and arguments and isinstance(arguments[0], list):
        texts, separator = arguments[0], arguments[1] if len(arguments) > 1 else None
        check_length(sum(map(len, texts)) + len(separator or "") * len(texts))
    elif function == "replace" and all(isinstance(each, str) for each in arguments[:3]):
        text, sought, instead = arguments[:3]
        check_length(len(text) + text.count(sought or text) * len(instead))


def check_length(characters: int) -> None:
    """Refuse a text that would be too long."""
    if characters > MOST_CHARACTERS:
        raise LimitExceeded(f"it makes a text of more than {MOST_CHARACTERS} characters")


def check_size(value: Any) -> None:
    """Refuse a text or a list that has grown too long."""
    if isinstance(value, str):
        check_length(len(value))
    if isinstance(value, list) and len(value) > MOST_ITEMS:
        raise LimitExceeded(f"it makes a list of more than {MOST_ITEMS} items")


def plain_json(value: Any) -> Any:
    """Return a result as plain JSON values.

    Raises
    ------
    TypeError
        If there is a function in it.
    """
    if value is Utils.NULL_VALUE or value is None:
        return None
    if isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, dict):
        return {str(name): plain_json(each) for name, each in value.items()}
    if isinstance(value, list):
        return [plain_json(value[index]) for index in range(len(value))]
    raise TypeError("it gives a function, a JSON value expected")
