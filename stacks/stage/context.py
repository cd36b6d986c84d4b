"""CDK context: settings given to ``cdk deploy`` as ``-c name=value``."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from constructs import Node

CHECKOUT = Path(__file__).parents[2]
OrElse = TypeVar("OrElse")


class InvalidContext(Exception):
    """A setting in the CDK context has an impossible value."""

    def __init__(self, name: str, value: object, expectation: str) -> None:
        super().__init__(f"context {name!r}: {value!r} given, {expectation} expected")


@dataclass(frozen=True, slots=True)
class Context:
    """The settings; those given on the command line are text."""

    node: Node

    def text(self, name: str, default: str, pattern: re.Pattern[str], expectation: str) -> str:
        """Read a text that matches a pattern."""
        value = str(self.node.try_get_context(name) or default)
        if not pattern.fullmatch(value):
            raise InvalidContext(name, value, expectation)
        return value

    def choice(self, name: str, choices: Sequence[str]) -> str:
        """Read one of several words; the first is the default."""
        value = str(self.node.try_get_context(name) or choices[0])
        if value not in choices:
            raise InvalidContext(name, value, f"one of {', '.join(choices)}")
        return value

    def count(self, name: str, default: int) -> int:
        """Read a positive whole number."""
        value = self.node.try_get_context(name)
        text = str(default if value is None else value)
        if not re.fullmatch(r"[1-9][0-9]{0,8}", text, re.ASCII):
            raise InvalidContext(name, value, "a whole number above 0")
        return int(text)

    def path(self, name: str, default: OrElse) -> Path | OrElse:
        """Read an existing path, absolute or relative to the checkout."""
        value = self.node.try_get_context(name)
        if value is None:
            return default
        path = CHECKOUT / str(value)
        if not path.exists():
            raise InvalidContext(name, value, "a path that exists")
        return path
