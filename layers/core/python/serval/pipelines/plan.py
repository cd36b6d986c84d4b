"""The plan of a pipeline: its expressions parsed, and its steps in the order of the data."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from serval.pipelines.definition import PIPELINE_YAML, PipelineDefinition, StepDefinition
from serval.pipelines.expressions import Expression, ExpressionWrong, Read, parse_expression
from serval.pipelines.shapes import ANY, SCALAR, Shape


class PlanRefused(Exception):
    """A definition has no plan; ``reasons`` names every mistake with its place."""

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = tuple(reasons)


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """A step with its expressions."""

    step: StepDefinition
    expressions: Mapping[str, Expression]
    """Place in the step, such as ``input.text`` → the expression."""
    reading: Mapping[str, Read]
    """Place in the step → what the expression reads."""
    reads: frozenset[str]
    """Inputs and steps that it reads, or that what stands in for it reads."""

    @property
    def name(self) -> str:
        """The step's name."""
        return self.step.name

    def inputs(self) -> Iterator[tuple[str, Expression]]:
        """Yield the inputs of its model that are given, with their expressions."""
        for place, expression in self.expressions.items():
            if place.startswith("input."):
                yield place.removeprefix("input."), expression


@dataclass(frozen=True, slots=True)
class PipelinePlan:
    """Steps in the order of the data, and what the pipeline gives."""

    definition: PipelineDefinition
    steps: Mapping[str, PlannedStep]
    """Every step, those that only stand in for another too."""
    waves: tuple[tuple[str, ...], ...]
    """Names of steps that do not depend on each other; each wave needs those before it."""
    outputs: Mapping[str, Expression]
    """``output``, or ``output.NAME`` for each tensor."""
    reading: Mapping[str, Read]
    """The same → what the expression reads."""
    wanted: Mapping[str, frozenset[str] | None]
    """Step → those of its outputs that are read; None: all of them."""

    @property
    def order(self) -> Iterator[str]:
        """The steps, each after what it reads."""
        return (name for wave in self.waves for name in wave)


def make_plan(definition: PipelineDefinition) -> PipelinePlan:
    """Parse and order a pipeline.

    Raises
    ------
    PlanRefused
        If an expression is none or reads what is not there, or steps wait for each other.
    """
    reasons = list(_name_reasons(definition))
    parsed: dict[str, dict[str, Expression]] = {}
    for step in definition.steps:
        place = definition.place(step.name)
        parsed[step.name] = _parse(step.expressions(), f"{place}.", reasons)
    outputs = _parse(definition.outputs(), f"{PIPELINE_YAML}: ", reasons)
    fallbacks = {step.fallback: step.name for step in definition.steps if step.fallback}
    known = {spec.name: SCALAR for spec in definition.inputs}
    steps: dict[str, Shape] = {
        step.name: ANY for step in definition.steps if step.name not in fallbacks
    }
    shapes = {**known, **steps}
    read: dict[str, dict[str, Read]] = {}
    for step in definition.steps:
        place = definition.place(step.name)
        read[step.name] = _read(parsed[step.name], shapes, f"{place}.", reasons)
    given = _read(outputs, shapes, f"{PIPELINE_YAML}: ", reasons)
    reasons += _fallback_reasons(definition)
    if reasons:
        raise PlanRefused(reasons)
    own = {
        name: frozenset().union(*(each.names for each in reads.values()))
        for name, reads in read.items()
    }
    planned = {}
    for step in definition.steps:
        reads = frozenset().union(*(own[name] for name in _with_fallbacks(definition, step)))
        implicit = known.keys() if step.model and step.input is None else ()
        planned[step.name] = PlannedStep(
            step, parsed[step.name], read[step.name], reads | {*implicit}
        )
    waves = _order({name: planned[name].reads & steps.keys() for name in steps}, definition)
    everything = [each for reads in (*read.values(), given) for each in reads.values()]
    wanted = {name: _find_wanted(name, everything) for name in steps}
    for fallback, name in fallbacks.items():
        wanted[fallback] = wanted.get(name)
    return PipelinePlan(definition, planned, waves, outputs, given, wanted)


def _parse(
    texts: Sequence[tuple[str, str]], place: str, reasons: list[str]
) -> dict[str, Expression]:
    parsed = {}
    for name, text in texts:
        try:
            parsed[name] = parse_expression(text)
        except ExpressionWrong as wrong:
            reasons.append(f"{place}{name}: {wrong}")
    return parsed


def _read(
    expressions: Mapping[str, Expression],
    known: Mapping[str, Shape],
    place: str,
    reasons: list[str],
) -> dict[str, Read]:
    found = {name: expression.reads(known) for name, expression in expressions.items()}
    for name, read in found.items():
        text = expressions[name].text
        reasons += [f"{place}{name}: {text!r}: {mistake}" for mistake in read.mistakes]
    return found


def _name_reasons(definition: PipelineDefinition) -> Iterator[str]:
    """Refuse names that stand for two things."""
    seen = {spec.name: "an input" for spec in definition.inputs}
    for index, spec in enumerate(definition.inputs):
        if any(spec.name == other.name for other in definition.inputs[:index]):
            yield f"{PIPELINE_YAML}: inputs.{index}.name: {spec.name!r} is repeated"
    for index, step in enumerate(definition.steps):
        if step.name in seen:
            what = seen[step.name]
            yield (
                f"{PIPELINE_YAML}: steps.{index}.name: {step.name!r} is the name of {what} already"
            )
        seen[step.name] = "a step"


def _fallback_reasons(definition: PipelineDefinition) -> Iterator[str]:
    """Refuse steps that cannot stand in for another."""
    steps = {step.name: step for step in definition.steps}
    taken: dict[str, str] = {}
    for step in definition.steps:
        place = f"{definition.place(step.name)}.on_error.step"
        if step.fallback is None:
            continue
        if step.fallback not in steps or step.fallback == step.name:
            yield f"{place}: {step.fallback!r} is no other step of the pipeline"
        elif step.fallback in taken:
            yield f"{place}: {step.fallback!r} stands in for {taken[step.fallback]!r} already"
        elif steps[step.fallback].when is not None:
            yield f"{place}: {step.fallback!r} has a 'when', and runs if {step.name!r} fails"
        elif step.name in _chain(definition, steps[step.fallback]):
            yield f"{place}: {step.name!r} and {step.fallback!r} stand in for each other"
        taken[step.fallback] = step.name


def _chain(definition: PipelineDefinition, step: StepDefinition) -> list[str]:
    """Return a step, what stands in for it, and so on, until a circle closes."""
    steps = {each.name: each for each in definition.steps}
    found = [step.name]
    while (following := steps[found[-1]].fallback) in steps and following not in found:
        found.append(following or "")
    return [*found, following] if following in found else found


def _with_fallbacks(definition: PipelineDefinition, step: StepDefinition) -> list[str]:
    return list(dict.fromkeys(_chain(definition, step)))


def _order(
    needs: Mapping[str, frozenset[str]], definition: PipelineDefinition
) -> tuple[tuple[str, ...], ...]:
    """Sort steps into waves, or refuse those that wait for each other."""
    done: set[str] = set()
    waves = []
    while len(done) < len(needs):
        wave = tuple(name for name in needs if name not in done and needs[name] <= done)
        if not wave:
            circle = _circle({name: need - done for name, need in needs.items()}, done)
            raise PlanRefused(
                [
                    f"{definition.place(circle[0])}: steps wait for each other: "
                    f"{' → '.join((*circle, circle[0]))}"
                ]
            )
        waves.append(wave)
        done |= {*wave}
    return tuple(waves)


def _circle(needs: Mapping[str, frozenset[str]], done: set[str]) -> list[str]:
    """Find steps that wait for each other, the first in the file first."""
    name = next(each for each in needs if each not in done)
    path: list[str] = []
    while name not in path:
        path.append(name)
        name = min(needs[name], key=list(needs).index)
    circle = path[path.index(name) :]
    first = min(circle, key=list(needs).index)
    start = circle.index(first)
    return circle[start:] + circle[:start]


def _find_wanted(name: str, reads: Sequence[Read]) -> frozenset[str] | None:
    """Return the outputs of a step that are read; None for all."""
    if any(name in read.whole for read in reads):
        return None
    return frozenset(part for read in reads for of, part in read.parts if of == name)
