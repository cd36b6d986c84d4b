"""One run of one step: by the engine of pipelines, with what steps before it gave.

The versions that steps call are loaded here; those on fleets are asked by async requests, and the
step waits for these.
"""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from serval.durable.step_answers import FindVersion
from serval.durable.step_requests import StepAsks
from serval.http.distant import Send, as_loaded
from serval.inference.kept_answers import Outcome
from serval.inference.loaded import Loaded
from serval.models.signature import TensorSpec
from serval.models.tensor import Tensor
from serval.models.version import ANSWER_SPEC, ModelVersion
from serval.pipelines.model import PipelineModel, StepVersions
from serval.pipelines.plan import PipelinePlan
from serval.pipelines.planned_step import PlannedStep
from serval.pipelines.run import BoundStep, PipelineRun
from serval.pipelines.run_values import RunValues, Value
from serval.pipelines.step_times import StepTimes
from serval.protocol.binary_tensors import bytes_array
from serval.protocol.request import InferenceRequest
from serval.tasks.call import write_json
from serval.tasks.tensors import read_call, write_answer_tensors


@dataclass(slots=True)
class AskedPipeline:
    """A durable pipeline that is a step of another one."""

    send: Send
    times: StepTimes = field(default_factory=StepTimes)
    """Nothing of it runs here."""

    def run(self, inputs: Sequence[Tensor], outputs: Sequence[TensorSpec]) -> list[Tensor]:
        """Return its answer in tensors."""
        return self.send(inputs, outputs)

    def answer(self, inputs: Sequence[Tensor]) -> Any:
        """Return its answer in JSON."""
        [answer] = self.send(inputs, [ANSWER_SPEC])
        return json.loads(answer.array.reshape(-1)[0])


@dataclass(slots=True)
class FleetVersions:
    """``StepVersions`` that asks versions that run elsewhere, and loads all others."""

    versions: StepVersions
    find: FindVersion
    asks: StepAsks

    def __contains__(self, key: tuple[str, str]) -> bool:
        """Return whether nothing has to be loaded for a version."""
        return key in self.versions or runs_elsewhere(self.find(*key))

    def get(self, model: str, version: str) -> Loaded:
        """Return a version, loading it first if need be, unless it runs elsewhere."""
        record = self.find(model, version)
        if not runs_elsewhere(record):
            return self.versions.get(model, version)
        send = partial(self._send, record)
        if record.durable and record.task is None:
            return Loaded.elsewhere(record, AskedPipeline(send))
        return as_loaded(record, send)

    def with_cache(
        self, loaded: Loaded, seconds: int, name: str, outcomes: dict[str, Outcome]
    ) -> Loaded:
        """Look up the answers of a version; of one that runs elsewhere, before asking it."""
        if not runs_elsewhere(loaded.record):
            return self.versions.with_cache(loaded, seconds, name, outcomes)
        self.asks.look_up_next(self.find, seconds, name, outcomes)
        return loaded

    @property
    def count_failed_steps(self) -> Callable[[str, Collection[str]], object]:
        """Counts the steps of a pipeline that failed in one run."""
        return self.versions.count_failed_steps

    def _send(
        self,
        record: ModelVersion,
        inputs: Sequence[Tensor],
        outputs: Sequence[TensorSpec],
        *,
        binary: bool = True,
    ) -> list[Tensor]:
        return self.asks.send(record, inputs, outputs, binary=binary)


@dataclass(slots=True)
class StepRun:
    """Runs single steps of one pipeline over the values of those before."""

    record: ModelVersion
    plan: PipelinePlan
    inputs: Mapping[str, Tensor]
    stable: Callable[[str], str]
    versions: StepVersions
    find: FindVersion
    values: Mapping[str, Value]
    times: StepTimes
    """Which versions were asked, what came of their caches, and which steps failed."""

    def value(self, name: str, asks: StepAsks) -> Value | None:
        """Run a step, and return what it gives; None if it is skipped.

        Raises
        ------
        StepPostponed
            While its model's answer is not there.
        InferenceFailed, InvalidInputs, ServiceUnavailable
            Naming the step.
        """
        versions = FleetVersions(self.versions, self.find, asks)
        model = PipelineModel(self.record, self.plan, versions, self.stable, times=self.times)
        owners = {
            part.name: step.step
            for step in self.plan.steps.values()
            for part in (step, *step.parts)
        }

        def bind(planned: PlannedStep) -> tuple[Loaded, BoundStep]:
            asks.turn_to(owners[planned.name], planned.step)
            return model.bind(planned)

        run = self._run(bind, model)
        try:
            run.do(self.plan.steps[name])
        finally:  # a candidate may have answered
            self.times.versions.update(asks.versions)
            self.times.failed = run.times.failed
        return run.given.values.get(name)

    def outputs(self, specs: Sequence[TensorSpec]) -> list[Tensor]:
        """Return the answer in tensors, once all steps have run.

        Raises
        ------
        InferenceFailed
            If there is none.
        """
        model = PipelineModel(self.record, self.plan, self.versions, self.stable)
        run = self._run(model.bind, model)
        if (speech := model.speech) is not None:
            texts, parameters = read_call(speech, list(self.inputs.values()))
            return speech.choose(texts, parameters, [*run.output_tensors().values()], specs)
        if self.plan.definition.task is not None:
            return write_answer_tensors([run.output_json()])
        if self.record.answers_in_json:
            body = write_json(run.output_json())
            return [Tensor(ANSWER_SPEC.name, "BYTES", bytes_array([body], [1]))]
        found = run.output_tensors()
        return [found[spec.name] for spec in specs]

    def _run(
        self, bind: Callable[[PlannedStep], tuple[Loaded, BoundStep]], model: PipelineModel
    ) -> PipelineRun:
        given = RunValues(self.plan, self.inputs, dict(self.values))
        return PipelineRun(self.record, given, bind, StepTimes(), model.clock)


def wanted_outputs(record: ModelVersion, request: InferenceRequest) -> list[TensorSpec]:
    """Return the outputs that a request names; by default those of the version's signature."""
    signatures = (record.signature, *record.more_signatures) if request.outputs else ()
    named = [spec for each in signatures for spec in each.outputs if spec.name in request.outputs]
    return named or list(record.signature.outputs)


def runs_elsewhere(record: ModelVersion) -> bool:
    """Return whether a version is asked by an async request.

    That is one on a fleet, a handler, or a durable pipeline itself.
    """
    return record.on_fleet or record.takes_bodies or record.durable
