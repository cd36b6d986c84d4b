"""A step of a plan: its definition with its expressions parsed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from serval.pipelines.expressions import Expression, Read
from serval.pipelines.steps import StepDefinition


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """A step with its expressions."""

    step: StepDefinition
    expressions: Mapping[str, Expression]
    """Place in the step, such as ``input.text`` → the expression."""
    reading: Mapping[str, Read]
    """Place in the step → what the expression reads."""
    reads: frozenset[str]
    """Inputs and steps that it, its parts, or what stands in for it reads; no items, no parts."""
    parts: tuple["PlannedStep", ...] = ()

    @property
    def name(self) -> str:
        """The step's name."""
        return self.step.name

    @property
    def item(self) -> str | None:
        """The name of an item, if the step is done for each."""
        return self.step.each.item if self.step.each else None

    def inputs(self) -> Iterator[tuple[str, Expression]]:
        """Yield the inputs of its model that are given, with their expressions."""
        for place, expression in self.expressions.items():
            if place.startswith("input."):
                yield place.removeprefix("input."), expression
