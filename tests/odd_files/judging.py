"""A job over a file: whether each answer is right and stands where it should."""

import io
import json
import math
import re
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing import get_context
from random import Random
from typing import Any

import polars as pl

from serval.batch.job.job import BatchJob
from serval.models.signature import Signature, TensorSpec
from serval.models.tensor import Tensor
from tests.fakes.batch import BatchStage
from tests.odd_files.files import Maker, OddFile, Record

INPUT = TensorSpec("x", "FP64", (-1, 2))
OUTPUT = TensorSpec("given", "FP64", (-1, 2))
FOREIGN = ("polars", "ComputeError", "SchemaError", "Traceback", "PanicException", "Error:")
SHOWN = 60
PARTICULAR = re.compile(r"(shard \d+: )?s3://\S+: |\d+|'[^']*'")


class Echo:
    """A model that answers with what it was given."""

    def run(self, inputs: Any, outputs: Any) -> list[Tensor]:
        return [Tensor(spec.name, spec.datatype, inputs[0].array) for spec in outputs]


@dataclass
class OddFigures:
    """What became of the files."""

    files: int = 0
    right: int = 0
    """Jobs in which every record was answered."""
    partly: int = 0
    """Jobs that rejected records, and answered others."""
    refused: int = 0
    rows: int = 0
    rejected: int = 0
    died: int = 0
    """Processes that a damaged file ended, as it would end a shard's own."""
    failures: list[str] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, other: "OddFigures") -> None:
        """Add what became of a file."""
        self.right += other.right
        self.partly += other.partly
        self.refused += other.refused
        self.rows += other.rows
        self.rejected += other.rejected
        self.reasons.update(other.reasons)

    def count(self, job: BatchJob) -> None:
        """Count a job that was answered."""
        self.rows += job.rows
        self.rejected += job.rejected
        self.partly += job.rejected > 0
        self.right += job.rejected == 0


def run(maker: Maker, kind: str, seeds: range, figures: OddFigures) -> None:
    """Make files and judge what becomes of each."""
    apart = Apart()
    for seed in seeds:
        file = maker(Random(f"{kind} {seed}"))
        figures.files += 1
        try:
            figures.add(apart.run(file, seed) if file.loose else judged(file, seed))
        except AssertionError as wrong:
            figures.failures.append(f"{kind} {seed}: {str(wrong)[:300]}")
        except BrokenProcessPool:
            figures.died += 1
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            said = f"{type(error).__module__}.{type(error).__name__}: {error}"
            figures.failures.append(f"{kind} {seed}: not ours: {said[:300]}")
    apart.end()


class Apart:
    """Judges files in a process of its own, which one of them may end."""

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None

    def run(self, file: OddFile, seed: int) -> OddFigures:
        """Judge a file; raise ``BrokenProcessPool`` if that ends the process."""
        if self._pool is None:
            self._pool = ProcessPoolExecutor(1, get_context("spawn"))
        try:
            return self._pool.submit(judged, file, seed).result()
        except BrokenProcessPool:
            self.end()
            raise

    def end(self) -> None:
        """End the process."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None


def judged(file: OddFile, seed: int) -> OddFigures:
    """Judge a file; give the figures of it alone."""
    figures = OddFigures()
    judge(file, Random(seed), figures)
    return figures


def judge(file: OddFile, random: Random, figures: OddFigures) -> None:
    """Run a job over a file; raise ``AssertionError`` if anything is not right."""
    pace = {"rows_per_second": random.choice([1, 20, 1e5]), "best_batch_size": 7}
    stage = BatchStage(Signature((INPUT,), (OUTPUT,)), Echo(), measurements=pace)
    output = {"format": "parquet", "join": True}
    options = {
        "max_rejected_percent": 100,
        "shard_bytes": random.choice([64, 500, 10_000, 10**8]),
        "output": output,
        **file.options,
    }
    job = stage.run(stage.upload(file.name, file.body, options))
    assert job.status in ("succeeded", "failed"), job.status
    said = job.error or ""
    assert not any(word in said for word in FOREIGN), said
    if job.status == "failed":
        assert said, "refused without a reason"
        figures.refused += 1
        figures.reasons[PARTICULAR.sub("…", said)[:SHOWN]] += 1
        return
    if file.loose:
        figures.count(job)
        return
    assert file.records is not None, f"answered {job.rows} rows of what has no records"
    _hold(stage, job, file.records)
    figures.count(job)


def _hold(stage: BatchStage, job: BatchJob, records: list[Record] | Any) -> None:
    """Hold the output against the records: each once, in order, with its own values."""
    rejected = _rejected(stage, job)
    numbers = [each["record"] for each in rejected]
    assert len(set(numbers)) == len(numbers) == job.rejected, "a record was rejected twice"
    assert job.rows + job.rejected == len(records), (
        f"{job.rows} answered, {job.rejected} rejected of {len(records)}"
    )
    answered = [record for record in records if record.number not in set(numbers)]
    wrong = [record for record in records if record.sure and record.values is not None]
    lost = {record.number for record in wrong} & set(numbers)
    assert not lost, f"rejected: {[one for one in rejected if one['record'] in lost][:1]}"
    rows = _rows(stage, job) if answered else []
    assert len(rows) == len(answered)
    joined = job.options.output.join
    for row, record in zip(rows, answered, strict=True):
        assert record.values is not None, f"record {record.number} was answered: {row}"
        given = row.pop("given")
        assert all(map(_same, given, record.values)), f"{record} was answered with {given}"
        assert not joined or row == dict(record.passed), f"{record} stands beside {row}"


def _rows(stage: BatchStage, job: BatchJob) -> list[dict[str, Any]]:
    """Read the output, with the answer of each row as a list."""
    if job.options.output.format == "jsonl":
        rows = list(map(json.loads, stage.output(job, "output.jsonl").strip(b"\n").split(b"\n")))
        return [{**row, "given": list(map(float, row["given"]))} for row in rows]
    rows = pl.read_parquet(io.BytesIO(stage.output(job, "output.parquet"))).to_dicts()
    return [{"given": [row.pop("given_0"), row.pop("given_1")], **row} for row in rows]


def _rejected(stage: BatchStage, job: BatchJob) -> list[dict[str, Any]]:
    if not job.rejected:
        return []
    found = list(map(json.loads, stage.output(job, "errors.jsonl").splitlines()))
    for each in found:
        assert each["reason"], "rejected without a reason"
        assert not any(word in each["reason"] for word in FOREIGN), each["reason"]
    return found


def _same(found: float, expected: float) -> bool:
    return found == expected or (math.isnan(found) and math.isnan(expected))
