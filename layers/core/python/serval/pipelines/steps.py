"""One step of a pipeline, as engines run it: what is asked, and what is done about its answer.

A step is a *model* that is asked, a *rule*, or its *parts*: steps that run one after another for
it, of which the first in ``gives`` that answered is its answer. ``any_of``, ``all_of``, ``split``
and ``cascade`` are parts (``serval.pipelines.ensembles``), so an engine knows three kinds.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class MapDefinition:
    """A step that is done for each item of a list; its answer is the list of the answers."""

    items: str
    """An expression in brackets, so that it gives a list for a single value and for nothing."""
    item: str
    """The name by which the step's other expressions read the item."""
    limit: int
    """Items at once, at most."""


@dataclass(frozen=True, slots=True)
class Draw:
    """Which of the shares of a split a part has: it runs if the request's number is in it."""

    first: int
    end: int
    """The number after the last."""
    total: int
    """The request's number is 0 or more, and less than this."""


@dataclass(frozen=True, slots=True)
class StepDefinition:
    """One step, or one part of a step."""

    name: str
    place: str
    """Where the file has it, as ``steps.2``."""
    model: str | None = None
    version: str | None = None
    """The version that is asked; None: the model's stable one."""
    input: Mapping[str, str] | None = None
    """Input of the model, or word of its task → expression; None: inputs of the same names."""
    rule: str | None = None
    parts: tuple["StepDefinition", ...] = ()
    gives: tuple[str, ...] = ()
    """Names of parts: the first of them that answered gives the step's answer."""
    each: MapDefinition | None = None
    when: str | None = None
    """The step is skipped unless this is true."""
    fallback: str | None = None
    """The step that answers if this one fails."""
    has_value: bool = False
    value: Any = None
    """What replaces the answer if the step fails."""
    timeout_seconds: float | None = None
    cache_seconds: int | None = None
    """How long its model's answers are kept; None: as the model says."""
    skips_failure: bool = False
    """Of a part: if it fails, it is skipped; if the step fails, too, the error names it."""
    unless: str | None = None
    """Of a part: it is skipped if this part before it has answered."""
    draw: Draw | None = None
    """Of a part: it is skipped unless the request's number is in its share."""
    written: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Place of an expression that was made of another → place and text of that in the file."""

    def expressions(self) -> Sequence[tuple[str, str]]:
        """List the expressions, each after its place in the step; none of its parts'."""
        inputs = [(f"input.{name}", text) for name, text in (self.input or {}).items()]
        items = self.each.items if self.each else None
        others = (("map", items), ("rule", self.rule), ("when", self.when))
        return [*inputs, *((place, text) for place, text in others if text is not None)]

    def cite(self, place: str) -> tuple[str, str]:
        """Return where the file has an expression, and its text there."""
        if place in self.written:
            return self.written[place]
        return place, dict(self.expressions())[place]

    def all_steps(self) -> Iterator["StepDefinition"]:
        """Yield the step and its parts."""
        yield self
        for part in self.parts:
            yield from part.all_steps()
