"""What the steps of a run took and asked, which failed, and which answers had been kept."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:  # pipelines without a cache pay for none
    from serval.inference.kept_answers import Outcome


class StepSpan(NamedTuple):
    """When a step ran, in seconds since 1970."""

    step: str
    began: float
    ended: float


@dataclass(slots=True)
class StepTimes:
    """What the steps of a run took, in the order in which they ended, parts before their step."""

    steps_ms: list[tuple[str, float]] = field(default_factory=list)
    load_ms: float = 0.0
    """To load versions that they call, which is not in ``steps_ms``."""
    versions: dict[str, str] = field(default_factory=dict)
    """Step or part → the version that it asked."""
    cached: "dict[str, Outcome]" = field(default_factory=dict)
    """Step or part whose answers are kept → hit, miss or bypass."""
    failed: tuple[str, ...] = ()
    """Steps that failed, or one of whose models did, even if something stood in for them."""
    spans: list[StepSpan] = field(default_factory=list)
    """The same steps by wall-clock time, for each of several runs."""
    now: Callable[[], float] = time.time
    _nested_hit: bool = False

    def note(self, step: str, taken_ms: float) -> None:
        """Note the time of a step that ends now."""
        ended = self.now()
        self.steps_ms.append((step, taken_ms))
        self.spans.append(StepSpan(step, ended - taken_ms / 1e3, ended))

    def add(self, other: "StepTimes") -> None:
        """Add those of another run of the same pipeline."""
        taken = dict(self.steps_ms)
        for name, milliseconds in other.steps_ms:
            taken[name] = taken.get(name, 0.0) + milliseconds
        self.steps_ms = list(taken.items())
        self.spans += other.spans
        self.versions |= other.versions
        for name in other.failed:
            self.note_failure(name)
        for name, outcome in other.cached.items():
            self.cached[name] = outcome if self.cached.get(name, outcome) == outcome else "miss"
        self.add_nested(other)

    def add_nested(self, nested: "StepTimes") -> None:
        """Add those of a nested pipeline that count for the pipeline around it, too."""
        self.load_ms += nested.load_ms
        self._nested_hit |= nested.has_hit

    def note_failure(self, step: str) -> None:
        """Note that a step failed: once, however many of its items or models did."""
        if step not in self.failed:
            self.failed = (*self.failed, step)

    @property
    def has_hit(self) -> bool:
        """Whether the answer of a step had been kept."""
        return self._nested_hit or "hit" in self.cached.values()
