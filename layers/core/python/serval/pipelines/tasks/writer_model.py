"""The checks of the model that writes the answer of a pipeline of text-generation."""

from collections.abc import Iterator, Mapping

from serval.models.task_signature import NAMES, PARAMETERS, TEXT_GENERATION
from serval.models.version import PIPELINE, ModelVersion
from serval.pipelines.definition import place_of
from serval.pipelines.planned_step import PlannedStep
from serval.pipelines.shapes import Shape
from serval.tasks.openai.body_rules import CHOSEN
from serval.tasks.parameters import describe_known


def model_reasons(
    planned: PlannedStep, record: ModelVersion, shapes: Mapping[str, Shape]
) -> Iterator[str]:
    """List why a version cannot write the answer, given the shapes of inputs and steps."""
    place = place_of(planned.step)
    if record.task != TEXT_GENERATION or record.runtime == PIPELINE:
        has = f"the task {record.task!r}" if record.task else "no task"
        has = f"is a pipeline with {has}" if record.runtime == PIPELINE else f"has {has}"
        yield (
            f"{place}.model: model {record.model!r} version {record.version} {has}: a model "
            f"with the task {TEXT_GENERATION!r} expected that is not itself a pipeline"
        )
        return
    text = NAMES["text"]
    given = {text} if planned.step.input is None else planned.step.input.keys()
    if not {text} <= given <= {text, PARAMETERS}:
        names = ", ".join(sorted(given))
        yield f"{place}.input: {names} given, {text} expected, and perhaps {PARAMETERS}"
    chosen = planned.expressions.get(f"input.{PARAMETERS}")
    if chosen is None:
        return
    read = chosen.reads(shapes)
    # The caller's own may be handed on as they are.
    if PARAMETERS not in read.whole and (unknown := sorted((read.shape or {}).keys() - CHOSEN)):
        yield (
            f"{place}.input.{PARAMETERS}: {unknown[0]!r} given, "
            f"{describe_known(unknown[0], CHOSEN)} expected"
        )
