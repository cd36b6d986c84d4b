"""Check a candidate: load it as ``infer`` would, ask its golden requests, compare and measure.

::

    golden requests → load → answer and compare → latency, peak memory, batch size → report
          └────────────┴────────────┴─ BundleRefused, with the reasons

The function has the layers, the memory and the processor of the ``infer`` that the candidate is
for; it stands in for a fleet as far as it can (``fleet_candidate``). A candidate that hangs or
takes all memory ends the function, and the state machine reports that.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from serval.errors import (
    ArtifactUnavailable,
    BundleRefused,
    InvalidRequest,
    ModelTooLarge,
    ModelVersionNotFound,
)
from serval.inference.loaded import ArtifactStore, Limits, Loaded, LoadedVersions, discard
from serval.inference.run import Inference
from serval.inference.runtimes import ArtifactUnreadable, Model, OpenModel, RuntimeFailed
from serval.models.version import PIPELINE, Form, ModelVersion
from serval.pipelines.model import PipelineModel
from serval.rollouts.documents import GoldenReport, TargetFleet
from serval.rollouts.golden.answers import GoldenAnswers, ask_golden, load_alone, try_samples
from serval.rollouts.golden.candidate import Candidate
from serval.rollouts.golden.fleet_candidate import (
    PUBLISHED,
    NotCheckable,
    expect_graph,
    expect_loadable,
    expect_runnable,
    time_limit,
)
from serval.rollouts.golden.follower_answers import ask_followers
from serval.rollouts.golden.latency import BatchSize, best_batch_size, measure_latency
from serval.rollouts.golden.memory import MemoryMeter
from serval.rollouts.golden.requests import GoldenRequest, read_golden
from serval.rollouts.golden.sample import repeat_rows, takes_batches
from serval.rollouts.outcomes import shorten_reason


def no_version(model: str, version: str) -> ModelVersion:
    """Find nothing."""
    raise ModelVersionNotFound(model, version)


@dataclass(slots=True)
class TimedOpening:
    """Opens models, and remembers how long the last one took."""

    open_model: OpenModel
    clock: Callable[[], float]
    taken_ms: float = 0.0

    def __call__(self, record: ModelVersion, path: Path, form: Form | None) -> Model:
        """Open a model."""
        started = self.clock()
        model = self.open_model(record, path, form)
        self.taken_ms = (self.clock() - started) * 1e3
        return model


@dataclass(frozen=True, slots=True)
class GoldenCheck:
    """Checks candidates, keeping nothing from one to the next."""

    store_of: Callable[[Candidate], ArtifactStore]
    open_model: OpenModel
    limits: Limits
    memory: MemoryMeter
    cpu_class: str
    clock: Callable[[], float] = time.perf_counter
    work_folder: Path | None = None
    """Where to download files; None for the system's temporary folder."""
    log: Callable[[str], object] = discard
    open_handler: Callable[[ModelVersion, Path], Model] | None = None
    """Opens custom Python; None: this function runs none."""
    find_version: Callable[[str, str], ModelVersion] = no_version
    """Finds what the steps of a pipeline call."""

    def check(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Check a candidate; ``event`` has ``upload``, ``verified`` and ``forms``.

        Returns
        -------
        dict
            ``outcome``: ``refused`` with ``reasons`` if the candidate does not load, run, or
            answer as expected, or ``passed`` with the report as ``golden``.

        Raises
        ------
        ArtifactUnavailable
            If a file is not as it was verified; trying again may help.
        """
        try:
            candidate = Candidate.from_event(event)
            report = self._check_and_measure(candidate)
            notes = self._ask_followers(candidate)
            report = replace(report, notes=(*report.notes, *notes))
        except BundleRefused as refused:
            return {"outcome": "refused", "reasons": list(refused.reasons)}
        except NotCheckable as reason:
            report = GoldenReport(notes=(str(reason),))
        return {"outcome": "passed", "golden": report.to_json()}

    def _check_and_measure(self, candidate: Candidate) -> GoldenReport:
        expect_runnable(candidate, has_packages=self.open_handler is not None)
        self.memory.forget_peak()
        store = self.store_of(candidate)
        opening = TimedOpening(self._opening(candidate.record), self.clock)
        with TemporaryDirectory(dir=self.work_folder, prefix="golden-") as folder:
            golden = fetch_golden(candidate.record, store, Path(folder))
            inference = self._build_inference(
                candidate, store, opening, Path(folder), candidate.stable
            )
            loaded = load_candidate(inference, candidate)
            answers = self._ask(inference, candidate, loaded, golden)
            if candidate.fleet is not None:
                return report_stand_in(candidate.fleet, loaded, answers)
            return self._measure(candidate, loaded, answers, opening)

    def _ask_followers(self, candidate: Candidate) -> list[str]:
        """Ask the pipelines that the candidate would answer, once nothing else is loaded."""
        store = self.store_of(candidate)
        with TemporaryDirectory(dir=self.work_folder, prefix="golden-") as folder:
            here = Path(folder)

            def build(stable: Callable[[str], str]) -> Inference:
                return self._build_inference(candidate, store, self.open_model, here, stable)

            def fetch(record: ModelVersion) -> tuple[GoldenRequest, ...]:
                return fetch_golden(record, store, here)

            return ask_followers(candidate, self.find_version, build, fetch)

    def _opening(self, record: ModelVersion) -> OpenModel:
        """Return what opens a candidate: ONNX Runtime, or Python."""
        open_handler = self.open_handler
        if record.runtime in ("onnx", PIPELINE):
            return self.open_model
        if open_handler is None:
            raise BundleRefused(
                [f"{record.artifact} needs a function of the model's own: run `serval deploy`"]
            )
        return lambda version, path, form: open_handler(version, path)

    def _build_inference(
        self,
        candidate: Candidate,
        store: ArtifactStore,
        opening: OpenModel,
        folder: Path,
        stable: Callable[[str], str],
    ) -> Inference:
        """Build the inference of ``infer``, which has loaded nothing yet."""

        def find(model: str, version: str) -> ModelVersion:
            own = candidate.record
            is_own = (model, version) == (own.model, own.version)
            return own if is_own else expect_graph(self.find_version(model, version))

        versions = LoadedVersions(
            find=find,
            store=store,
            open_model=opening,
            folder=folder,
            limits=self.limits,
            clock=self.clock,
            cpu_class=self.cpu_class,
            log=self.log,
            compose=lambda record, loaded: PipelineModel.open(record, loaded, stable, self.clock),
        )
        return Inference(versions, self.clock)

    def _ask(
        self,
        inference: Inference,
        candidate: Candidate,
        loaded: Loaded,
        golden: Sequence[GoldenRequest],
    ) -> GoldenAnswers:
        if not golden:
            runtime = loaded.record.runtime
            return try_samples(loaded) if runtime == "onnx" else load_alone(runtime)
        return ask_golden(inference, candidate, loaded, golden, time_limit(candidate, self.clock))

    def _measure(
        self, candidate: Candidate, loaded: Loaded, answers: GoldenAnswers, opening: TimedOpening
    ) -> GoldenReport:
        if not answers.inputs:
            return GoldenReport(session_ms=opening.taken_ms, form=PUBLISHED, notes=answers.notes)
        try:
            latency = measure_latency(loaded, answers.inputs, self.clock)
        except (InvalidRequest, RuntimeFailed) as error:
            reason = f"the model fails on a request that it has answered before: {error}"
            raise BundleRefused([shorten_reason(reason)]) from error
        peak_memory_mib = self.memory.peak_mib()
        batch = self._best_batch(candidate, loaded, answers)
        notes = [*answers.notes, *self._form_notes(loaded)]
        if batch.stopped:
            notes.append(f"best batch size: {batch.stopped}")
        return GoldenReport(
            largest_difference=answers.largest_difference,
            requests=answers.requests,
            rows=answers.rows,
            p50_ms=latency.p50_ms,
            p95_ms=latency.p95_ms,
            steps_p50_ms=latency.steps_p50_ms,
            peak_memory_mib=peak_memory_mib,
            best_batch_size=batch.rows,
            rows_per_second=batch.rows_per_second or None,
            session_ms=opening.taken_ms,
            form=loaded.form.name if loaded.form else PUBLISHED,
            notes=tuple(notes),
        )

    def _form_notes(self, loaded: Loaded) -> list[str]:
        fitting = loaded.record.form_for(self.cpu_class)
        if fitting == loaded.form or fitting is None:
            return []
        return [f"form {fitting.name!r} does not open on this machine: run as published"]

    def _best_batch(
        self, candidate: Candidate, loaded: Loaded, answers: GoldenAnswers
    ) -> BatchSize:
        if not takes_batches(loaded.record.signature):
            return BatchSize(1, 0.0)
        not_empty = (inputs for inputs in answers.inputs if all(len(t.array) for t in inputs))
        inputs = next(not_empty, None)
        if inputs is None:
            return BatchSize(1, 0.0, "every golden request is empty")
        row = repeat_rows(inputs, 1)
        return best_batch_size(loaded, row, candidate.max_batch_size, self.memory, self.clock)


def fetch_golden(
    record: ModelVersion, store: ArtifactStore, folder: Path
) -> tuple[GoldenRequest, ...]:
    """Fetch and read the golden requests of a version, if its bundle has any."""
    path = record.bundle.get("golden")
    if path is None:
        return ()
    file = folder / "golden.jsonl"
    store.fetch(record, path, file)
    return read_golden(path, file.read_bytes())


def load_candidate(inference: Inference, candidate: Candidate) -> Loaded:
    """Load the candidate in the form that ``infer`` would choose here.

    Raises
    ------
    BundleRefused
        If it is too large, or cannot be opened.
    ArtifactUnavailable
        If a file is not as it was verified.
    NotCheckable
        If it is for a fleet, which may load what this function cannot.
    """
    record = candidate.record
    try:
        return inference.loaded.get(record.model, record.version)
    except (ModelTooLarge, ArtifactUnavailable) as error:
        if candidate.fleet is not None:
            expect_loadable(candidate.fleet, error)
        if isinstance(error, ModelTooLarge):
            raise BundleRefused([str(error)]) from error
        if not isinstance(error.__cause__, ArtifactUnreadable):
            raise
        where = "where it is to run"
        if candidate.fleet is not None and record.runtime == "python":
            where = f"on Lambda's CPU, which stands in for {candidate.fleet}"
        reason = f"{record.artifact} does not load {where}: {error.__cause__}"
        raise BundleRefused([shorten_reason(reason)]) from error


def report_stand_in(fleet: TargetFleet, loaded: Loaded, answers: GoldenAnswers) -> GoldenReport:
    """Report the answers of a stand-in, without measurements."""
    return GoldenReport(
        largest_difference=answers.largest_difference,
        requests=answers.requests,
        rows=answers.rows,
        form=loaded.form.name if loaded.form else PUBLISHED,
        notes=(
            f"checked on Lambda's CPU, which stands in for {fleet}: its latency and memory there "
            "are not known before it gets traffic",
            *answers.notes,
        ),
    )
