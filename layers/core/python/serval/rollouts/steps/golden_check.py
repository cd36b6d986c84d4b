"""The golden check: load the candidate as ``infer`` would, ask it, compare, measure.

::

    golden requests → load → answer and compare → latency, peak memory, batch size → report
          └────────────┴────────────┴─ BundleRefused, with the reasons in words

It runs in a function with the layers, the memory and the processor of the ``infer`` that the
candidate is for; for a fleet's candidate it stands in, as far as it can (``standing_in``). A
candidate that hangs or takes all of its memory ends with that function; the state machine says so.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from serval.errors import (
    ArtifactUnavailable,
    BundleRefused,
    InvalidRequest,
    ModelTooLarge,
)
from serval.inference.infer import Inference
from serval.inference.loaded import (
    ArtifactStore,
    Limits,
    Loaded,
    LoadedVersions,
    Model,
    say_nothing,
)
from serval.inference.runtimes import ArtifactUnreadable, RuntimeFailed
from serval.models.version import Form
from serval.rollouts.golden.answers import GoldenAnswers, ask, try_samples
from serval.rollouts.golden.candidate import Candidate, GoldenReport
from serval.rollouts.golden.fleet_candidate import (
    NotCheckable,
    expect_loadable,
    expect_runnable,
    patience,
    report_of,
)
from serval.rollouts.golden.latency import BatchSize, best_batch_size, measure_latency
from serval.rollouts.golden.memory import MemoryMeter
from serval.rollouts.golden.requests import GoldenRequest, read_golden, shortened
from serval.rollouts.golden.sample import batch_of, takes_batches

PUBLISHED = "published"


@dataclass(slots=True)
class TimedOpening:
    """Opens models, and knows how long the last one took."""

    open_model: Callable[[Path, Form | None], Model]
    clock: Callable[[], float]
    taken_ms: float = 0.0

    def __call__(self, path: Path, form: Form | None) -> Model:
        """Open a model."""
        started = self.clock()
        model = self.open_model(path, form)
        self.taken_ms = (self.clock() - started) * 1e3
        return model


@dataclass(frozen=True, slots=True)
class GoldenCheck:
    """Checks one candidate after another."""

    store_of: Callable[[Candidate], ArtifactStore]
    open_model: Callable[[Path, Form | None], Model]
    limits: Limits
    memory: MemoryMeter
    cpu_class: str
    clock: Callable[[], float] = time.perf_counter
    work_folder: Path | None = None
    """Where files are downloaded to; None: the system's temporary folder."""
    log: Callable[[str], object] = say_nothing

    def outcome(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Answer the state machine."""
        try:
            report = self.check(Candidate.from_event(event))
        except BundleRefused as refused:
            return {"outcome": "refused", "reasons": list(refused.reasons)}
        except NotCheckable as reason:
            report = GoldenReport(notes=(str(reason),))
        return {"outcome": "passed", "golden": report.to_json()}

    def check(self, candidate: Candidate) -> GoldenReport:
        """Check a candidate.

        Raises
        ------
        BundleRefused
            If it does not load, run, or answer as expected.
        ArtifactUnavailable
            If a file cannot be had as it was verified; trying again may help.
        NotCheckable
            If it is for a fleet, and nothing here can stand in for that.
        """
        expect_runnable(candidate)
        self.memory.forget_peak()
        store = self.store_of(candidate)
        opening = TimedOpening(self.open_model, self.clock)
        with TemporaryDirectory(dir=self.work_folder, prefix="golden-") as folder:
            golden = self._golden(candidate, store, Path(folder))
            inference = self._inference(candidate, store, opening, Path(folder))
            loaded = load(inference, candidate)
            answered = self._answered(inference, candidate, loaded, golden)
            if candidate.fleet is not None:
                return report_of(candidate.fleet, loaded, answered)
            return self._report(candidate, loaded, answered, opening)

    def _golden(
        self, candidate: Candidate, store: ArtifactStore, folder: Path
    ) -> tuple[GoldenRequest, ...]:
        """Fetch and read the golden requests; none if the bundle has none."""
        if candidate.golden is None:
            return ()
        file = folder / "golden.jsonl"
        store.fetch(candidate.record, candidate.golden, file)
        return read_golden(candidate.golden, file.read_bytes())

    def _inference(
        self, candidate: Candidate, store: ArtifactStore, opening: TimedOpening, folder: Path
    ) -> Inference:
        """Give what ``infer`` answers with, knowing nothing but the candidate."""
        versions = LoadedVersions(
            find=lambda model, version: candidate.record,
            store=store,
            open_model=opening,
            folder=folder,
            limits=self.limits,
            clock=self.clock,
            cpu_class=self.cpu_class,
            log=self.log,
        )
        return Inference(versions, self.clock)

    def _answered(
        self,
        inference: Inference,
        candidate: Candidate,
        loaded: Loaded,
        golden: Sequence[GoldenRequest],
    ) -> GoldenAnswers:
        if not golden:
            return try_samples(loaded)
        return ask(inference, candidate, loaded, golden, patience(candidate, self.clock))

    def _report(
        self, candidate: Candidate, loaded: Loaded, answered: GoldenAnswers, opening: TimedOpening
    ) -> GoldenReport:
        try:
            latency = measure_latency(loaded, answered.inputs, self.clock)
        except (InvalidRequest, RuntimeFailed) as error:
            reason = f"the model fails on a request that it has answered before: {error}"
            raise BundleRefused([shortened(reason)]) from error
        peak_memory_mib = self.memory.peak_mib()
        batch = self._best_batch(candidate, loaded, answered)
        notes = [*answered.notes, *self._form_notes(loaded)]
        if batch.stopped:
            notes.append(f"best batch size: {batch.stopped}")
        return GoldenReport(
            largest_difference=answered.largest_difference,
            requests=answered.requests,
            rows=answered.rows,
            p50_ms=latency.p50_ms,
            p95_ms=latency.p95_ms,
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
        self, candidate: Candidate, loaded: Loaded, answered: GoldenAnswers
    ) -> BatchSize:
        if not takes_batches(loaded.record.signature):
            return BatchSize(1, 0.0)
        filled = (inputs for inputs in answered.inputs if all(len(t.array) for t in inputs))
        inputs = next(filled, None)
        if inputs is None:
            return BatchSize(1, 0.0, "every golden request is empty")
        row = batch_of(inputs, 1)
        return best_batch_size(loaded, row, candidate.max_batch_size, self.memory, self.clock)


def load(inference: Inference, candidate: Candidate) -> Loaded:
    """Load the candidate, in the form that ``infer`` would choose here.

    Raises
    ------
    BundleRefused
        If it is too large, or cannot be opened.
    ArtifactUnavailable
        If a file cannot be had as it was verified.
    NotCheckable
        If it is for a fleet, which can load what this function cannot.
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
        reason = f"{record.artifact} does not load where it is to run: {error.__cause__}"
        raise BundleRefused([shortened(reason)]) from error
