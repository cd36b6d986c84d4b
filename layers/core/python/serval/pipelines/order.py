"""The order of a pipeline's steps, and which of their outputs anyone reads."""

from collections.abc import Iterator, Mapping, Sequence

from serval.pipelines.definition import PipelineDefinition, place_of
from serval.pipelines.expressions import Read
from serval.pipelines.planned_step import PlannedStep

Wanted = dict[str, frozenset[str] | None]
"""Step or part → those of its outputs that are read; None: all of them."""


class StepsInACircle(Exception):
    """Steps wait for each other."""


def order_steps(
    needs: Mapping[str, frozenset[str]], definition: PipelineDefinition
) -> tuple[tuple[str, ...], ...]:
    """Sort steps into waves, or refuse those that wait for each other.

    Raises
    ------
    StepsInACircle
        Naming them, and where the first is.
    """
    done: set[str] = set()
    waves = []
    while len(done) < len(needs):
        wave = tuple(name for name in needs if name not in done and needs[name] <= done)
        if not wave:
            circle = _circle({name: need - done for name, need in needs.items()}, done)
            first = next(step for step in definition.steps if step.name == circle[0])
            said = " → ".join((*circle, circle[0]))
            raise StepsInACircle(f"{place_of(first)}: steps wait for each other: {said}")
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


def find_wanted(
    steps: Mapping[str, PlannedStep],
    outputs: Mapping[str, Read],
    fallbacks: Mapping[str, str],
) -> Wanted:
    """Find which outputs of steps, of their stand-ins and of their parts are read."""
    reads = [*outputs.values(), *(read for step in steps.values() for read in _reads(step))]
    wanted = {name: _read_of(name, reads) for name in steps if name not in fallbacks}
    for fallback in fallbacks:
        name = fallback
        while name in fallbacks:
            name = fallbacks[name]
        wanted[fallback] = wanted[name]
    for step in steps.values():
        for part in step.parts:
            given = wanted[step.name] if part.name in step.step.gives else frozenset()
            read = _read_of(part.name, reads)
            wanted[part.name] = None if given is None or read is None else given | read
    return wanted


def _reads(step: PlannedStep) -> Iterator[Read]:
    yield from step.reading.values()
    for part in step.parts:
        yield from _reads(part)


def _read_of(name: str, reads: Sequence[Read]) -> frozenset[str] | None:
    """Return the outputs of a step that are read; None for all."""
    if any(name in read.whole for read in reads):
        return None
    return frozenset(part for read in reads for of, part in read.parts if of == name)
