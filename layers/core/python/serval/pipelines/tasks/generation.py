"""A pipeline as a model of text-generation: steps prepare the prompt of the last step's model.

Answers and streams are that model's, in OpenAI's API, too.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from typing import Any, ClassVar, Protocol

from serval.errors import ContextTooLong, InvalidInputs, InvalidParameter, UnsupportedFeature
from serval.foreign import refusing
from serval.inference.loaded import Loaded
from serval.models.task_signature import MESSAGES, TEXT_GENERATION
from serval.models.tensor import Tensor
from serval.pipelines.calls import CallRefused
from serval.pipelines.kinds.task_step import read_words
from serval.pipelines.planned_step import PlannedStep
from serval.pipelines.run import SECOND, STEP_ERRORS, BoundStep, PipelineRun, StepGoneWrong
from serval.pipelines.step_times import StepTimes
from serval.pipelines.tasks.pipeline_task import input_tensors
from serval.protocol.binary_tensors import bytes_array
from serval.short_repr import short_repr
from serval.tasks.call import check_text_size, write_json
from serval.tasks.generation.text_generation import TextGeneration
from serval.tasks.openai.body_rules import LENGTHS, NEW_TOKENS
from serval.tasks.parameter_rules import check_inputs, check_parameters, known_parameters
from serval.tasks.parameters import Parameters
from serval.tasks.preparation import Messages, PreparedText, PreparedTexts
from serval.tasks.task import InputKind, Task


class PreparingPipeline(Protocol):
    """A pipeline that runs up to the step that writes."""

    times: StepTimes
    """Of the last runs."""

    def run_each(self, calls: Sequence[Sequence[Tensor]]) -> list[PipelineRun]:
        """Run the steps before it on the tensors of each call."""

    def count_failure(self, step: str) -> None:
        """Count a step that failed after these runs."""


@dataclass(frozen=True, slots=True)
class PipelineGeneration:
    """Text that a model writes after a prompt that the steps before it have prepared."""

    takes: ClassVar[InputKind] = "text"
    accepts: ClassVar[frozenset[str]] = known_parameters(TEXT_GENERATION)
    answers_in_list: ClassVar[bool] = True

    pipeline: PreparingPipeline
    step: PlannedStep
    """The step that writes."""

    def answer(self, inputs: Sequence[Any], parameters: Parameters) -> list[Any]:
        """Answer texts; those with the same parameters are one batch of the model that writes."""
        answers: list[Any] = []
        with self._ask(inputs, parameters, ()) as (task, found):
            for chosen, texts in groupby(found.prepared, lambda each: each.parameters):
                said = Parameters({**parameters.values, **chosen})
                answers += task.answer([each.text for each in texts], said)
        return answers

    @contextmanager
    def prepare(
        self, texts: Sequence[Any], parameters: Parameters, messages: Messages = ()
    ) -> Iterator[PreparedTexts]:
        """Prepare texts; raise errors of the block as this pipeline's, as ``answer`` does."""
        with self._ask(texts, parameters, messages) as (_, found):
            yield found

    @contextmanager
    def _ask(
        self, texts: Sequence[Any], parameters: Parameters, messages: Messages
    ) -> Iterator[tuple[Task, PreparedTexts]]:
        """Run all steps but the last, and time the block as the last step.

        If the model has a cache, the yielded task looks up its answers.
        """
        check_parameters(TEXT_GENERATION, parameters)
        check_inputs(TEXT_GENERATION, texts)
        first, *_ = runs = self.pipeline.run_each(_tensors(texts, parameters, messages))
        times, step = self.pipeline.times, self.step
        before, loading = first.clock(), times.load_ms
        chosen: set[str] | None = None
        try:
            loaded, bound = first.bind(step)
            writer = _writer_of(loaded)
            found = PreparedTexts(writer, [_read_prompt(writer, run, bound) for run in runs])
            check_text_size(found.texts)
            chosen = {name for each in found.prepared for name in each.parameters}
            yield loaded.task or writer, found
        except STEP_ERRORS as error:
            if chosen is not None and _is_about_call(error, chosen):
                raise
            if not first.is_of_caller(step, error):
                self.pipeline.count_failure(step.name)
            raise first.failure(step, error) from error
        finally:
            taken_ms = (first.clock() - before) * SECOND - (times.load_ms - loading)
            times.note(step.name, taken_ms)


def _tensors(
    texts: Sequence[Any], parameters: Parameters, messages: Messages
) -> list[list[Tensor]]:
    """Write the tensors of a run for each text."""
    with refusing(lambda said: InvalidInputs(f"the messages cannot be written: {said}")):
        element = write_json(list(messages))
    chat = Tensor(MESSAGES, "BYTES", bytes_array([element], [1]))
    return [[*tensors, chat] for tensors in input_tensors("text", texts, parameters)]


def _writer_of(loaded: Loaded) -> TextGeneration:
    """Return the task that writes, without a cache before it."""
    task = loaded.own_task
    if not isinstance(task, TextGeneration):
        record = loaded.record
        raise CallRefused(
            f"model {record.model!r} version {record.version} writes no text here: it has "
            f"{record.task or 'no task'}, {TEXT_GENERATION} expected"
        )
    return task


def _read_prompt(task: TextGeneration, run: PipelineRun, bound: BoundStep) -> PreparedText:
    """Return the prompt that a run has prepared, and the parameters that go with it."""
    given = {spec.name: run.given.word(each, read) for spec, _, each, read in bound.inputs}
    payload = read_words(task, given)
    [text, *more] = payload.inputs
    if more or payload.is_list or not isinstance(text, str):
        value = payload.inputs if payload.is_list else text
        raise StepGoneWrong(f"input.text: {short_repr(value)} given, one text expected")
    return PreparedText(text, payload.parameters.values)


def _is_about_call(error: Exception, chosen: set[str]) -> bool:
    """Return whether an error is about the caller's own choice, and not the step's."""
    if isinstance(error, InvalidParameter):
        length = {*LENGTHS, NEW_TOKENS} if NEW_TOKENS in chosen else set()
        return error.name not in chosen | length
    return isinstance(error, ContextTooLong | UnsupportedFeature)
