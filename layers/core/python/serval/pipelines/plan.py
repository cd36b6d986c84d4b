"""The plan of a pipeline: its expressions parsed, and its steps in the order of the data."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from serval.pipelines.definition import MOST_STEPS, PIPELINE_YAML, PipelineDefinition, place_of
from serval.pipelines.expressions import (
    Expression,
    ExpressionWrong,
    Read,
    parse_expression,
    parse_written,
)
from serval.pipelines.order import StepsInACircle, find_wanted, order_steps
from serval.pipelines.planned_step import PlannedStep
from serval.pipelines.shapes import ANY, Shape
from serval.pipelines.steps import StepDefinition
from serval.pipelines.tasks.answers import ANSWER_RULES
from serval.pipelines.tasks.writer import writer_reasons

OF_THE_WHOLE = ("map", "when")
"""Expressions that are evaluated once, and not for each item of a map."""


class PlanRefused(Exception):
    """A definition has no plan; ``reasons`` names every mistake with its place."""

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = tuple(reasons)


@dataclass(frozen=True, slots=True)
class PipelinePlan:
    """Steps in the order of the data, and what the pipeline gives."""

    definition: PipelineDefinition
    steps: Mapping[str, PlannedStep]
    """Every step, including those that only stand in for another."""
    waves: tuple[tuple[str, ...], ...]
    """Names of steps that do not depend on each other; each wave needs those before it."""
    outputs: Mapping[str, Expression]
    """``output``, or ``output.NAME`` for each tensor."""
    reading: Mapping[str, Read]
    """The same → what the expression reads."""
    wanted: Mapping[str, frozenset[str] | None]
    """Step or part → those of its outputs that are read; None: all of them."""

    @property
    def order(self) -> Iterator[str]:
        """The steps, each after what it reads."""
        return (name for wave in self.waves for name in wave)

    @property
    def writer(self) -> PlannedStep | None:
        """The step whose model writes the answer; all others run before it."""
        return self.steps.get(self.definition.writer or "")

    @property
    def before_writing(self) -> Iterator[str]:
        """The same in their order, without the writer."""
        return (name for name in self.order if name != self.definition.writer)

    def calls(self) -> Iterator[PlannedStep]:
        """Yield every step and part that asks a model."""
        for step in self.steps.values():
            for each in (step, *step.parts):
                if each.step.model is not None:
                    yield each


def make_plan(definition: PipelineDefinition) -> PipelinePlan:
    """Parse and order a pipeline.

    Raises
    ------
    PlanRefused
        If an expression is none or reads what is not there, or steps wait for each other.
    """
    reasons = list(_name_reasons(definition))
    fallbacks = {step.fallback: step.name for step in definition.steps if step.fallback}
    names = [step.name for step in definition.steps if step.name not in fallbacks]
    known = definition.input_shapes()
    shapes: dict[str, Shape] = {**known, **dict.fromkeys(names, ANY)}
    # Steps take a task's parameters by an expression alone.
    offered = {name: shape for name, shape in known.items() if not definition.says(name)}
    alone = {step.name: _plan_step(step, shapes, offered, reasons) for step in definition.steps}
    outputs = _parse(definition, f"{PIPELINE_YAML}: ", reasons)
    given = _read(outputs, shapes, f"{PIPELINE_YAML}: ", reasons)
    reasons += _fallback_reasons(definition)
    reasons += writer_reasons(definition, alone)
    if reasons:
        raise PlanRefused(reasons)
    planned = {
        step.name: replace(
            alone[step.name],
            reads=frozenset().union(
                *(alone[name].reads for name in _with_fallbacks(definition, step))
            ),
        )
        for step in definition.steps
    }
    try:
        waves = order_steps({name: planned[name].reads & {*names} for name in names}, definition)
    except StepsInACircle as circle:
        raise PlanRefused([str(circle)]) from None
    wanted = find_wanted(planned, given, fallbacks)
    return PipelinePlan(definition, planned, waves, outputs, given, wanted)


def _plan_step(
    step: StepDefinition,
    known: Mapping[str, Shape],
    inputs: Mapping[str, Shape],
    reasons: list[str],
) -> PlannedStep:
    """Parse a step and its parts by themselves, and find what they read."""
    parsed, reading = dict[str, Expression](), dict[str, Read]()
    own = {step.each.item: ANY} if step.each else {}
    for where, text in step.expressions():
        place, written = step.cite(where)
        place = f"{place_of(step)}.{place}"
        try:
            made = where in step.written
            parsed[where] = parse_written(text, written) if made else parse_expression(text)
        except ExpressionWrong as wrong:
            reasons.append(f"{place}: {wrong}")
            continue
        inner = known if where in OF_THE_WHOLE else {**known, **own}
        reading[where] = read = parsed[where].reads(inner)
        reasons += [f"{place}: {written!r}: {mistake}" for mistake in read.mistakes]
    parts = list[PlannedStep]()
    for part in step.parts:
        before = dict.fromkeys((each.name for each in parts), ANY)
        parts.append(_plan_step(part, {**known, **own, **before}, inputs, reasons))
    reads = frozenset().union(*(each.names for each in reading.values()))
    reads |= frozenset().union(*(part.reads for part in parts))
    implicit = inputs.keys() if step.model and step.input is None else ()
    if step.each and step.each.item not in reads:
        reasons.append(f"{place_of(step)}.map: nothing reads {step.each.item!r}, an item of it")
    reads = (reads | {*implicit}) - own.keys() - {part.name for part in parts}
    return PlannedStep(step, parsed, reading, reads, tuple(parts))


def _parse(definition: PipelineDefinition, place: str, reasons: list[str]) -> dict[str, Expression]:
    """Parse the output; for a task that answers with a list, nothing found is an empty list."""
    rule = ANSWER_RULES.get(definition.task or "")
    in_list = rule is not None and rule.is_list
    parsed = {}
    for name, text in definition.outputs():
        try:
            parsed[name] = found = parse_expression(text)
            if in_list and (found.source is None or found.part is not None):
                # Parentheses: a list in brackets would be an item of the list otherwise.
                parsed[name] = parse_written(f"[({text}\n)]", text)
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
        text = expressions[name].shown
        reasons += [f"{place}{name}: {text!r}: {mistake}" for mistake in read.mistakes]
    return found


def _name_reasons(definition: PipelineDefinition) -> Iterator[str]:
    """Refuse names that stand for two things, and too many steps."""
    seen = {spec.name: "an input" for spec in definition.inputs}
    for index, spec in enumerate(definition.inputs):
        if any(spec.name == other.name for other in definition.inputs[:index]):
            yield f"{PIPELINE_YAML}: inputs.{index}.name: {spec.name!r} is repeated"
    every = list(definition.all_steps())
    for step in every:
        if step.name in seen:
            yield f"{place_of(step)}.name: {step.name!r} is the name of {seen[step.name]} already"
        seen[step.name] = "a step"
    for step in definition.steps:
        if step.each and step.each.item in seen:
            named = f"{step.each.item!r} is the name of {seen[step.each.item]} already"
            yield f"{place_of(step)}.item: {named}"
    if len(every) > MOST_STEPS:
        yield f"{PIPELINE_YAML}: steps: {len(every)} with their parts, at most {MOST_STEPS} allowed"


def _fallback_reasons(definition: PipelineDefinition) -> Iterator[str]:
    """Refuse steps that cannot stand in for another."""
    steps = {step.name: step for step in definition.steps}
    taken: dict[str, str] = {}
    for step in definition.steps:
        place = f"{place_of(step)}.on_error.step"
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
