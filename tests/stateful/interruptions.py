"""What comes between two writes: the process dies, or somebody else gets to work."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from hypothesis import strategies as st

from tests.fakes.registration import Crash

Kind = Literal["dies before", "dies after", "meanwhile"]
MOST_CALLS = 9
"""Calls of ports among which the interrupted one is drawn; few operations make more."""
WRITES = (0, 0, 0, 1, 2)
"""Conditional writes among which it is drawn: most operations make one."""
CONDITIONAL = frozenset({"create", "save", "set_route", "record_rollout", "take", "claim"})
"""Methods that write on condition: what comes between them and what was read decides."""


@dataclass(frozen=True)
class Interruption:
    """What happens at one call of a port, counted from the beginning of an operation."""

    at: int
    kind: Kind
    conditional: bool = False
    """Only conditional writes are counted: everything was read by then."""


def interruptions() -> st.SearchStrategy[Interruption | None]:
    """Draw an interruption of an operation, or none."""
    kinds = st.sampled_from(["dies before", "dies after", "meanwhile", "meanwhile"])
    anywhere = st.builds(Interruption, st.integers(0, MOST_CALLS), kinds)
    return st.none() | anywhere | before_writes()


def before_writes() -> st.SearchStrategy[Interruption]:
    """Draw an interruption between what an operation has read and what it writes then."""
    return st.builds(Interruption, st.sampled_from(WRITES), st.just("meanwhile"), st.just(True))


@dataclass
class Interrupting:
    """Counts the calls of an operation, and interrupts one of them."""

    armed: Interruption | None = None
    meanwhile: Callable[[], object] = lambda: None
    counted: int = 0
    actor: str = ""
    """Whoever makes the call that is under way."""
    watch: Callable[[], object] = lambda: None
    """Looks at the stage after each write, as any reader may."""

    def run(
        self,
        operation: Callable[[], Any],
        interruption: Interruption | None,
        meanwhile: Callable[[], object] = lambda: None,
    ) -> Any:
        """Do something that may be interrupted; None: its process died."""
        self.armed, self.meanwhile, self.counted = interruption, meanwhile, 0
        try:
            return operation()
        except Crash:
            return None
        finally:
            self.armed = None

    def call(
        self,
        port: "Interrupted",
        name: str,
        function: Callable[..., Any],
        *given: Any,
        **named: Any,
    ) -> Any:
        """Call a port."""
        due = self._due(name)
        if due is not None and due.kind == "meanwhile":
            self.meanwhile()
        if due is not None and due.kind == "dies before":
            raise Crash(f"before {name}")
        self.actor = port.actor
        answer = function(*given, **named)
        if name in CONDITIONAL:
            self.watch()
        if due is not None and due.kind == "dies after":
            raise Crash(f"after {name}")
        return answer

    def _due(self, name: str) -> Interruption | None:
        armed = self.armed
        if armed is None or (armed.conditional and name not in CONDITIONAL):
            return None
        self.counted += 1
        if self.counted <= armed.at:
            return None
        self.armed = None
        return armed


class Interrupted:
    """A port as one actor has it, whose calls may be interrupted; conditions are kept behind it."""

    def __init__(self, port: Any, interrupting: Interrupting, actor: str = "") -> None:
        self._port, self._interrupting, self.actor = port, interrupting, actor

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._port, name)
        if not callable(member):
            return member

        def called(*given: Any, **named: Any) -> Any:
            return self._interrupting.call(self, name, member, *given, **named)

        return called
