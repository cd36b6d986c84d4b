"""What comes between two writes: the process dies, or somebody else gets to work."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from hypothesis import strategies as st

from tests.fakes.registration import Crash

Kind = Literal["dies before", "dies after", "meanwhile"]
MOST_CALLS = 9
"""Calls of ports among which the interrupted one is drawn; few operations make more."""


@dataclass(frozen=True)
class Interruption:
    """What happens at one call of a port, counted from the beginning of an operation."""

    at: int
    kind: Kind


def interruptions() -> st.SearchStrategy[Interruption | None]:
    """Draw an interruption of an operation, or none."""
    kinds = st.sampled_from(["dies before", "dies after", "meanwhile", "meanwhile"])
    return st.none() | st.builds(Interruption, st.integers(0, MOST_CALLS), kinds)


@dataclass
class Interrupting:
    """Counts the calls of an operation, and interrupts one of them."""

    armed: Interruption | None = None
    meanwhile: Callable[[], object] = lambda: None
    calls: list[str] = field(default_factory=list)
    watch: Callable[[], object] = lambda: None
    """Looks at the stage after each call, as any reader may."""

    def run(
        self,
        operation: Callable[[], Any],
        interruption: Interruption | None,
        meanwhile: Callable[[], object] = lambda: None,
    ) -> Any:
        """Do something that may be interrupted; None: its process died."""
        self.armed, self.meanwhile, self.calls = interruption, meanwhile, []
        try:
            return operation()
        except Crash:
            return None
        finally:
            self.armed = None

    def call(self, name: str, function: Callable[..., Any], *given: Any, **named: Any) -> Any:
        """Call a port."""
        due = self.armed if self.armed and len(self.calls) == self.armed.at else None
        self.calls.append(name)
        if due is not None:
            self.armed = None
        if due is not None and due.kind == "meanwhile":
            self.meanwhile()
        if due is not None and due.kind == "dies before":
            raise Crash(f"before {name}")
        answer = function(*given, **named)
        self.watch()
        if due is not None and due.kind == "dies after":
            raise Crash(f"after {name}")
        return answer


class Interrupted:
    """A port whose calls may be interrupted; the fake behind it keeps its conditions."""

    def __init__(self, port: Any, interrupting: Interrupting) -> None:
        self._port, self._interrupting = port, interrupting

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._port, name)
        if not callable(member):
            return member

        def called(*given: Any, **named: Any) -> Any:
            where = f"{type(self._port).__name__}.{name}"
            return self._interrupting.call(where, member, *given, **named)

        return called
