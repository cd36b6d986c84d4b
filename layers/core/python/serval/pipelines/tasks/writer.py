"""What the step that writes the answer of a pipeline of text-generation may have."""

from collections.abc import Iterator, Mapping

from serval.pipelines.definition import PIPELINE_YAML, PipelineDefinition, place_of
from serval.pipelines.planned_step import PlannedStep
from serval.pipelines.steps import StepDefinition


def writer_reasons(
    definition: PipelineDefinition, steps: Mapping[str, PlannedStep]
) -> Iterator[str]:
    """List why the step in ``output`` cannot write the answer, or does not run last."""
    name = definition.writer
    if name is None:
        return
    writer = steps.get(name)
    if writer is None or writer.step.model is None:
        yield (
            f"{PIPELINE_YAML}: output: {definition.output!r} given, the name of a step with "
            "'model' expected: that model writes the answer"
        )
        return
    for key in _keys_of_whole_answers(writer.step):
        yield f"{place_of(writer.step)}.{key}: step {name!r} writes the answer, and has no {key!r}"
    for each in steps.values():
        if name in each.reads:
            yield f"{place_of(each.step)}: reads {name!r}, which runs last and writes the answer"
        if each.step.fallback == name:
            place = f"{place_of(each.step)}.on_error.step"
            yield f"{place}: {name!r} writes the answer, and stands in for no other step"


def _keys_of_whole_answers(step: StepDefinition) -> Iterator[str]:
    """Yield the keys of a step that need a whole answer, and so no stream."""
    given = {
        "when": step.when is not None,
        "map": step.each is not None,
        "on_error": step.has_value or step.fallback is not None,
        "cache": step.cache_seconds is not None,
        "timeout_seconds": step.timeout_seconds is not None,
    }
    return (key for key, is_there in given.items() if is_there)
