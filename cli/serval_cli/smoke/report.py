"""Print a line for each check."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from rich.console import Console

T = TypeVar("T")
POLL_SECONDS = 0.5


class FlowBroken(Exception):
    """A flow cannot go on; the message has the reason."""


@dataclass
class Report:
    """Prints each check and remembers the failures."""

    console: Console = field(default_factory=lambda: Console(markup=False, highlight=False))
    failures: list[str] = field(default_factory=list)
    checks: int = 0

    def expect(self, name: str, found: Any, expected: Any) -> None:
        """Check that a value equals the expected one."""
        self.verdict(name, found == expected, f"{found!r}, expected {expected!r}")

    def verdict(self, name: str, good: bool, why: str) -> None:
        """Print one check; ``why`` explains a failure."""
        self.checks += 1
        if good:
            self.line(f"ok     {name}")
        else:
            self.failures.append(name)
            self.line(f"WRONG  {name}: {why[:600]}")

    def line(self, text: str) -> None:
        """Print a line that is not a check."""
        self.console.print(text, soft_wrap=True)

    @contextmanager
    def flow(self, name: str) -> Iterator[None]:
        """Run one flow and report what breaks it, so that the next one can run."""
        started = time.monotonic()
        self.line(f"\n{name}")
        try:
            yield
        except FlowBroken as error:
            self.verdict(name, False, str(error))
        self.line(f"       {time.monotonic() - started:.0f} s")


def await_value(what: str, look: Callable[[], T | None], seconds: float) -> T:
    """Poll until there is a value.

    Raises
    ------
    FlowBroken
        If there is none after that many seconds.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := look():
            return value
        time.sleep(POLL_SECONDS)
    raise FlowBroken(f"not within {seconds:.0f} s: {what}")
