"""What the steps of a run took and asked, which failed, and which answers had been kept."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:  # pipelines without a cache pay for none
    from serval.inference.kept_answers import Outcome


class StepSpan(NamedTuple):
    """What a step took, in milliseconds, and when it ended, in seconds since 1970."""

    step: str
    taken_ms: float
    ended: float


@dataclass(slots=True)
class StepTimes:
    """What the steps of a run took, in the order in which they ended, parts before their step."""

    spans: list[StepSpan] = field(default_factory=list)
    """Of several runs, those of each."""
    load_ms: float = 0.0
    """To load versions that they call, which is not in ``spans``."""
    versions: dict[str, str] = field(default_factory=dict)
    """Step or part → the version that it asked."""
    cached: "dict[str, Outcome]" = field(default_factory=dict)
    """Step or part whose answers are kept → hit, miss or bypass."""
    failed: tuple[str, ...] = ()
    """Steps that failed, or one of whose models did, even if something stood in for them."""
    now: Callable[[], float] = time.time
    _nested_hit: bool = False

    def note(self, step: str, taken_ms: float) -> None:
        """Note the time of a step that ends now."""
        self.spans.append(StepSpan(step, taken_ms, self.now()))

    def add(self, other: "StepTimes") -> None:
        """Add those of another run of the same pipeline."""
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
    def steps_ms(self) -> list[tuple[str, float]]:
        """What each step took, in all runs together."""
        taken: dict[str, float] = {}
        for step, taken_ms, _ in self.spans:
            taken[step] = taken.get(step, 0.0) + taken_ms
        return list(taken.items())

    @property
    def has_hit(self) -> bool:
        """Whether the answer of a step had been kept."""
        return self._nested_hit or "hit" in self.cached.values()
