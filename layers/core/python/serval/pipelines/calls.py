"""How a step calls its model: which inputs it gives, and whether the model's task takes them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from serval.handlers.conventions import HUGGING_FACE_FILE
from serval.handlers.signature import BODY
from serval.models.task_signature import ANSWERS_IN_FILES, NAMES, PARAMETERS, TAKES
from serval.models.version import PIPELINE, ModelVersion
from serval.pipelines.expressions import Expression
from serval.pipelines.planned_step import PlannedStep

INPUTS = "inputs"
"""The member that every body for a handler of Hugging Face's has."""


class CallRefused(Exception):
    """A step's inputs are not its model's, or nothing can call the model from here."""


@dataclass(frozen=True, slots=True)
class StepCall:
    """What a step gives to its model."""

    inputs: Mapping[str, Expression]
    by_task: bool = False
    """Whether they are words of the model's task."""
    in_body: bool = False
    """Whether they are members of a body in JSON."""
    gives_json: bool = False
    """Whether the answer is JSON: of a task, a handler, or a pipeline whose answer is that."""


def find_call(
    planned: PlannedStep, record: ModelVersion, pipeline_inputs: Collection[str]
) -> StepCall:
    """Find what a step gives to a version of its model.

    Raises
    ------
    CallRefused
        If the model needs more or other inputs, or answers with what no step reads.
    """
    if record.task in ANSWERS_IN_FILES:
        raise CallRefused(
            f"model {record.model!r} version {record.version} answers with a file ({record.task}): "
            "steps with such are not built yet"
        )
    if planned.step.cache_seconds is not None and record.runtime == PIPELINE:
        raise CallRefused(
            f"'cache' is for models, and {record.model!r} is a pipeline, whose steps may follow "
            "newer versions meanwhile: set it on that one's steps"
        )
    given = dict(planned.inputs())
    if record.takes_bodies:
        return _body_call(planned, given, record)
    words = task_words(record)
    offered = given.keys() if given else set(pipeline_inputs)
    if any(word in offered for word in words):
        return _task_call(given, words, record, pipeline_inputs)
    return _tensor_call(given, record, pipeline_inputs)


def task_words(record: ModelVersion) -> tuple[str, ...]:
    """Return the inputs that a version's task takes, the usual one first."""
    if record.task is None:
        return ()
    kind = TAKES.get(record.task, "text")
    return tuple(dict.fromkeys((NAMES[kind], *((NAMES["arguments"],) if kind == "text" else ()))))


def _body_call(
    planned: PlannedStep, given: Mapping[str, Expression], record: ModelVersion
) -> StepCall:
    named = f"model {record.model!r} version {record.version} ({record.artifact})"
    if planned.step.cache_seconds is not None:
        raise CallRefused(
            f"'cache' is for graphs: what {named} answers may depend on more than its inputs"
        )
    if BODY in given:
        return replace(_tensor_call(given, record, ()), gives_json=True)
    if not given or (INPUTS not in given and record.artifact == HUGGING_FACE_FILE):
        wrong = f"input {INPUTS!r} is not given" if given else "'input' is missing"
        raise CallRefused(
            f"{wrong}: {named} takes a body; 'input: {{inputs: …, parameters: …}}' has its members "
            "in JSON, 'input: {body: …}' is the whole of one, such as an image"
        )
    return StepCall(given, in_body=True, gives_json=True)


def _task_call(
    given: Mapping[str, Expression],
    words: tuple[str, ...],
    record: ModelVersion,
    pipeline_inputs: Collection[str],
) -> StepCall:
    if not given:
        word = next(word for word in words if word in pipeline_inputs)
        return StepCall({word: Expression(word, word)}, by_task=True, gives_json=True)
    if unknown := sorted(given.keys() - {*words, PARAMETERS}):
        raise CallRefused(
            f"input {unknown[0]!r} is unknown: the task {record.task} of model {record.model!r} "
            f"takes {', '.join((*words, PARAMETERS))}"
        )
    if len(given.keys() & {*words}) > 1:
        raise CallRefused(f"one of {' and '.join(map(repr, words))} expected, both given")
    return StepCall(given, by_task=True, gives_json=True)


def _tensor_call(
    given: Mapping[str, Expression], record: ModelVersion, pipeline_inputs: Collection[str]
) -> StepCall:
    needed = [spec.name for spec in record.signature.inputs]
    known = [*needed, *(spec.name for spec in record.signature.optional)]
    inputs = given or {name: Expression(name, name) for name in known if name in pipeline_inputs}
    words = task_words(record)
    takes = ", ".join(known) + (f", or for its task {words[0]}" if words else "")
    if unknown := sorted(inputs.keys() - {*known}):
        raise CallRefused(
            f"input {unknown[0]!r} is unknown: model {record.model!r} version {record.version} "
            f"takes {takes}"
        )
    if missing := [name for name in needed if name not in inputs]:
        hint = "" if given else "; without 'input' it takes the pipeline's inputs of the same names"
        raise CallRefused(
            f"input {missing[0]!r} of model {record.model!r} version {record.version} is not "
            f"given; it takes {takes}{hint}"
        )
    return StepCall(inputs, gives_json=record.runtime == PIPELINE and record.answers_in_json)
