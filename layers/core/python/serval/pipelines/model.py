"""A loaded pipeline: the model that a version without an artifact is.

The versions that its steps call are loaded beside it, and evicted like all others. Whoever runs one
answers one call at a time, so the times of the last run are kept with it.
"""

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from serval.errors import ServalError
from serval.inference.loaded import Loaded
from serval.models.signature import TensorSpec
from serval.models.task_signature import ANSWERS_IN_FILES
from serval.models.tensor import Tensor
from serval.models.version import ANSWER_SPEC, ModelVersion
from serval.pipelines.calls import CallRefused, find_call
from serval.pipelines.definition import PipelineDefinition
from serval.pipelines.plan import PipelinePlan, make_plan
from serval.pipelines.planned_step import PlannedStep
from serval.pipelines.run import SECOND, BoundStep, PipelineRun, StepGoneWrong
from serval.pipelines.run_values import RunValues
from serval.pipelines.shapes import ANY
from serval.pipelines.step_times import StepTimes
from serval.pipelines.tasks.run_inputs import complete_inputs
from serval.protocol.binary_tensors import bytes_array
from serval.tasks.task import Task

if TYPE_CHECKING:
    from serval.inference.kept_answers import Outcome
    from serval.pipelines.tasks.speech import PipelineSpeech


class StepVersions(Protocol):
    """The versions that are loaded, as ``LoadedVersions`` keeps them."""

    def __contains__(self, key: tuple[str, str]) -> bool:
        """Return whether a (model, version) is loaded."""

    def get(self, model: str, version: str) -> Loaded:
        """Return a version, loading it first if need be."""

    @property
    def with_cache(self) -> Callable[[Loaded, int, str, dict[str, "Outcome"]], Loaded]:
        """Keeps a version's answers for some seconds, and notes hits and misses by a name."""

    @property
    def count_failed_steps(self) -> Callable[[str, Collection[str]], object]:
        """Counts the steps of a pipeline that failed in one run."""


@dataclass(slots=True)
class PipelineModel:
    """A loaded pipeline; the versions of its steps are loaded beside it."""

    record: ModelVersion
    plan: PipelinePlan
    versions: StepVersions
    stable: Callable[[str], str]
    """Returns a model's stable version."""
    clock: Callable[[], float] = time.perf_counter
    times: StepTimes = field(default_factory=StepTimes)
    """Of the last run."""
    _bound: dict[str, BoundStep] = field(default_factory=dict)
    _running: bool = False
    """A step of a step may ask it: what a pipeline calls can change after it was checked."""

    task: Task | None = field(init=False)
    """What the pipeline stands for; None: it has inputs of its own."""
    speech: "PipelineSpeech | None" = field(init=False, default=None)
    """The same, if that is speech."""
    _gives_json: bool = field(init=False)

    def __post_init__(self) -> None:
        name = self.plan.definition.task
        self.task = None if name is None else self._open_task(name)
        self._gives_json = self.record.answers_in_json

    def _open_task(self, name: str) -> Task:
        # Imported for a pipeline of a task.
        if (writer := self.plan.writer) is not None:
            from serval.pipelines.tasks.generation import PipelineGeneration

            return PipelineGeneration(self, writer)
        if name in ANSWERS_IN_FILES:
            from serval.pipelines.tasks.speech import PipelineSpeech

            rate_hz = self.record.task_options["sampling_rate"]
            self.speech = PipelineSpeech(rate_hz, self._sounds)
            return self.speech
        from serval.pipelines.tasks.pipeline_task import PipelineTask

        return PipelineTask(name, self._answers)

    @classmethod
    def open(
        cls,
        record: ModelVersion,
        versions: StepVersions,
        stable: Callable[[str], str],
        clock: Callable[[], float] = time.perf_counter,
    ) -> "PipelineModel":
        """Open a pipeline, and load what its steps call now.

        What cannot be loaded now fails when its step runs, which may have a stand-in.
        """
        plan = make_plan(PipelineDefinition.from_json(record.bundle))
        opened = cls(record, plan, versions, stable, clock)
        for planned in plan.calls():
            try:
                opened.bind(planned)
            except (ServalError, CallRefused):
                continue
        return opened

    def run(self, inputs: Sequence[Tensor], outputs: Sequence[TensorSpec]) -> list[Tensor]:
        """Run once on inputs that fit the signature.

        Raises
        ------
        InferenceFailed, InvalidInputs, ServiceUnavailable
            Naming the step.
        """
        if self.task is not None:
            # Imported for a pipeline of a task.
            from serval.tasks.tensors import run_task

            speech = self.speech
            return speech.run(inputs, outputs) if speech else run_task(self.task, inputs)
        if self._gives_json:
            # Imported for answers in JSON.
            from serval.tasks.call import write_json

            body = write_json(self.answer(inputs))
            return [Tensor(ANSWER_SPEC.name, "BYTES", bytes_array([body], [1]))]
        found = self._run(inputs).output_tensors()
        return [found[spec.name] for spec in outputs]

    def answer(self, inputs: Sequence[Tensor]) -> Any:
        """Return the answer in JSON; raise as ``run`` does."""
        return self._run(inputs).output_json()

    def _answers(self, calls: Sequence[Sequence[Tensor]]) -> list[Any]:
        return [run.output_json() for run in self._runs(calls)]

    def _sounds(self, calls: Sequence[Sequence[Tensor]]) -> list[Tensor]:
        return [next(iter(run.output_tensors().values())) for run in self._runs(calls)]

    def _runs(self, calls: Sequence[Sequence[Tensor]]) -> Iterator[PipelineRun]:
        """Yield the run of each of several calls, and keep the times of all."""
        times = StepTimes()
        for inputs in calls:
            try:
                run = self._run(inputs)
            finally:
                times.add(self.times)
                self.times = times
            yield run

    def run_each(self, calls: Sequence[Sequence[Tensor]]) -> list[PipelineRun]:
        """Run several calls, up to the step that writes the answer if there is one."""
        return list(self._runs(calls))

    def count_failure(self, step: str) -> None:
        """Count a step that failed after its run."""
        self.times.note_failure(step)
        self.versions.count_failed_steps(self.record.model, [step])

    def _run(self, inputs: Sequence[Tensor]) -> PipelineRun:
        if self._running:
            raise StepGoneWrong(f"pipeline {self.record.model!r} calls itself")
        self.times = StepTimes()
        given = RunValues(self.plan, complete_inputs(self.plan.definition.task, inputs))
        run = PipelineRun(self.record, given, self.bind, self.times, self.clock)
        self._running = True
        try:
            for name in self.plan.before_writing:
                run.do(self.plan.steps[name])
        finally:
            self._running = False
            if self.times.failed:
                self.versions.count_failed_steps(self.record.model, self.times.failed)
        return run

    def bind(self, planned: PlannedStep) -> tuple[Loaded, BoundStep]:
        """Return the version that a step calls now, loading it if need be, and how to call it."""
        step = planned.step
        model = step.model or ""
        version = step.version or self.stable(model)
        if (model, version) in self.versions:
            loaded = self.versions.get(model, version)
        else:
            before = self.clock()
            loaded = self.versions.get(model, version)
            self.times.load_ms += (self.clock() - before) * SECOND
        self.times.versions[step.name] = version
        bound = self._bound.get(step.name)
        if bound is None or bound.version != version:
            bound = self._bound[step.name] = self._bind(planned, loaded)
        if step.cache_seconds is not None or loaded.cache is not None:
            seconds = step.cache_seconds or loaded.record.cache_seconds or 0
            loaded = self.versions.with_cache(loaded, seconds, step.name, self.times.cached)
        return loaded, bound

    def _bind(self, planned: PlannedStep, loaded: Loaded) -> BoundStep:
        definition, signature = self.plan.definition, loaded.record.signature
        call = find_call(planned, loaded.record, [spec.name for spec in definition.inputs])
        known = {spec.name: spec for spec in (*signature.inputs, *signature.optional)}
        inputs = tuple(
            (
                known.get(name, TensorSpec(name, "BYTES", (-1,))),
                known,
                expression,
                planned.reading.get(f"input.{name}") or expression.reads({name: ANY}),
            )
            for name, expression in call.inputs.items()
        )
        wanted = self.plan.wanted.get(planned.name)
        names = tuple(n for n in loaded.outputs if wanted is None or n in wanted)
        if wanted is not None and not call.gives_json and (lost := sorted(wanted - {*names})):
            raise CallRefused(
                f"model {loaded.record.model!r} version {loaded.record.version} gives no "
                f"{lost[0]!r}: it gives {', '.join(loaded.outputs)}"
            )
        return BoundStep(loaded.record.version, call, inputs, names or tuple(loaded.outputs)[:1])
