"""Drafting of a layout from a survey: how to read the input and write the output, or why not.

How much is read at once and goes into a shard follows from the pace of the version.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from serval.batch.input.column_refusals import quoted_list
from serval.batch.input.find import FoundFormat
from serval.batch.input.parquet.columns import find_binary_column
from serval.batch.job.layout import Layout
from serval.batch.job.options import JobOptions, OutputFormat
from serval.batch.plan.survey import Survey
from serval.batch.shard.outputs import column_names
from serval.errors import BatchRefused
from serval.models.signature import Signature, TensorSpec
from serval.models.version import ModelVersion

OWN_OUTPUT: dict[FoundFormat, OutputFormat] = {
    "csv": "csv",
    "jsonl": "jsonl",
    "parquet": "parquet",
    "objects": "jsonl",
}
OBJECT = "object"
"""Column of the addresses, which is joined to the answers to objects."""
SHARD_SECONDS = 300
"""Most work in a shard, at the version's measured rate."""
BLOCK_SECONDS = 5
"""Work between two checks of the time and of the job's row."""
BLOCK_BYTES = 4 * 2**20
BLOCK_ROWS = 65_536
LEAST_BLOCK_BYTES = 64
"""A record may take minutes; a block holds at least one, however small this is."""
UNMEASURED_ROWS_PER_SECOND = 10.0
"""For a version whose rate is unknown and may be low: the golden check does not run on a fleet's
machines, and asks a handler without golden requests nothing."""
DEFAULT_BATCH_ROWS = 32


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a version answers rows, and how many it prefers at once."""

    rows_per_second: float | None
    """None for a light version that was not measured."""
    batch_rows: int

    @classmethod
    def of(cls, record: ModelVersion) -> "Pace":
        """Take the measurements of the golden check, else the settings of the bundle."""
        if record.durable:
            # What the check measures is neither the queues of fleets nor the state machine.
            return cls(UNMEASURED_ROWS_PER_SECOND, DEFAULT_BATCH_ROWS)
        measured: Mapping[str, Any] = record.measurements
        batching = record.bundle.get("batching", {})
        rate = measured.get("rows_per_second")
        if rate is None and measured.get("p50_ms"):
            # A model that takes no batches answers one row a request.
            rate = 1e3 / measured["p50_ms"]
        if rate is None and (record.on_fleet or record.runtime == "python"):
            rate = UNMEASURED_ROWS_PER_SECOND
        rows = measured.get("best_batch_size") or batching.get("max_batch_size")
        return cls(rate, int(rows or DEFAULT_BATCH_ROWS))

    def shard_bytes(self, most: int, row_bytes: float) -> int:
        """Return the size of a shard, limited to ``most`` bytes and to the work it may hold."""
        if self.rows_per_second is None:
            return most
        return max(1, min(most, math.ceil(SHARD_SECONDS * self.rows_per_second * row_bytes)))

    def block_bytes(self, row_bytes: float) -> int:
        """Return the size of a block of text."""
        if self.rows_per_second is None:
            return BLOCK_BYTES
        wished = int(BLOCK_SECONDS * self.rows_per_second * row_bytes)
        return max(LEAST_BLOCK_BYTES, min(BLOCK_BYTES, wished))

    def block_rows(self, row_bytes: float) -> int:
        """Return the rows in a block of a table or of objects."""
        most = max(1, min(BLOCK_ROWS, int(BLOCK_BYTES / max(row_bytes, 1))))
        if self.rows_per_second is None:
            return most
        return max(1, min(most, int(BLOCK_SECONDS * self.rows_per_second)))


def draft_layout(
    survey: Survey, options: JobOptions, signature: Signature, pace: Pace, *, for_task: bool = False
) -> Layout:
    """Draft the layout of a job; with ``for_task``, its answers are JSON values.

    Raises
    ------
    BatchRefused
        If the model's outputs cannot be written as the job asks.
    """
    chosen = options.output.format
    own: OutputFormat = "jsonl" if for_task else OWN_OUTPUT[survey.kind.format]
    output = own if chosen == "auto" else chosen
    outputs = select_outputs(signature, options)
    columns = (OBJECT,) if survey.kind.format == "objects" else survey.columns
    joined = select_joined((*columns, *survey.partitions), options, survey.kind.format)
    if options.output.join:
        check_join(survey, output, joined, outputs)
    check_outputs(outputs, output)
    alone = signature.rows_interact or any(spec.shape[0] == 1 for spec in signature.inputs)
    return Layout(
        format=survey.kind.format,
        compression=survey.kind.compression,
        columns=columns,
        partitions=survey.partitions,
        inputs=survey.inputs,
        lists=survey.lists,
        array=survey.array,
        times="" if options.times == "text" else options.times,
        delimiter=survey.table.delimiter if survey.table else ",",
        header=survey.table.header if survey.table else False,
        quoted=survey.kind.format == "csv" and options.csv.quoted_newlines == "auto",
        csv=options.csv,
        output=output,
        outputs=outputs,
        join=options.output.join,
        joined=joined,
        partitioned=options.output.partitioned,
        per_input=options.output.per_input,
        base64=options.output.bytes == "base64",
        answers_are_json=for_task,
        batch_rows=1 if alone else pace.batch_rows,
        block_bytes=pace.block_bytes(survey.row_bytes),
        block_rows=pace.block_rows(survey.row_bytes),
        several_files=len(survey.sources) > 1,
    )


def select_outputs(signature: Signature, options: JobOptions) -> tuple[TensorSpec, ...]:
    """Return the outputs to write: those that the job chose, in the model's order."""
    chosen = options.output.tensors
    names = [spec.name for spec in signature.outputs]
    if unknown := sorted(set(chosen) - set(names)):
        raise BatchRefused(
            f"output.tensors: {unknown[0]!r} is no output: the model gives {', '.join(names)}"
        )
    return tuple(spec for spec in signature.outputs if not chosen or spec.name in chosen)


def select_joined(
    columns: tuple[str, ...], options: JobOptions, found: FoundFormat
) -> tuple[str, ...]:
    """Return the columns of the input that are written before the outputs."""
    left_out = options.output.leave_out
    if not options.output.join:
        if left_out:
            raise BatchRefused("output.leave_out: no columns are joined: choose output.join")
        return ()
    if left_out and found == "jsonl":
        raise BatchRefused("output.leave_out: JSONL records have no columns to leave out")
    if unknown := [column for column in left_out if column not in columns]:
        raise BatchRefused(
            f"output.leave_out: the input has no column {unknown[0]!r}; it has "
            f"{quoted_list(columns)}"
        )
    return tuple(column for column in columns if column not in set(left_out))


def check_batches(signature: Signature) -> None:
    """Refuse a model whose first extent is not the row."""
    for kind, specs, allowed in (
        ("input", signature.inputs, (-1, 1)),
        ("output", signature.outputs, (-1, 1)),
    ):
        for spec in specs:
            if not spec.shape or spec.shape[0] not in allowed:
                raise BatchRefused(
                    f"{kind} {spec.name!r} has shape {list(spec.shape)}: a batch job needs a model "
                    "whose first extent is the row, -1 or 1"
                )


def check_outputs(outputs: tuple[TensorSpec, ...], output: OutputFormat) -> None:
    """Refuse outputs of varying extents for a table."""
    if output == "jsonl":
        return
    for spec in outputs:
        if -1 in spec.shape[1:]:
            raise BatchRefused(
                f"output {spec.name!r} has shape {list(spec.shape)}: extents that vary fill no "
                f"columns of {output}; choose output.format jsonl"
            )


def check_join(
    survey: Survey,
    output: OutputFormat,
    columns: tuple[str, ...],
    outputs: tuple[TensorSpec, ...],
) -> None:
    """Refuse to join columns that cannot be written together with the outputs."""
    if survey.kind.format == "jsonl":
        if output != "jsonl":
            raise BatchRefused(
                f"output.join: JSONL records have no columns to stand in {output}; choose "
                "output.format jsonl"
            )
        return
    if survey.footer and output == "csv":
        nested = [
            column.name
            for column in survey.footer.columns
            if column.nested and column.name in columns
        ]
        if nested:
            raise BatchRefused(
                f"output.join: column {nested[0]!r} is nested, which CSV has no form for; choose "
                "output.format parquet or jsonl"
            )
    own = [column for column in columns if column not in survey.partitions]
    if (
        survey.footer
        and output != "parquet"
        and (bytes_in := find_binary_column(survey.footer, own))
    ):
        raise BatchRefused(
            f"output.join: column {bytes_in!r} holds bytes, which {output} has no form for; choose "
            "output.format parquet, or leave the column out"
        )
    names = [spec.name for spec in outputs]
    if output != "jsonl":
        names = [name for spec in outputs for name in column_names(spec)]
    if both := sorted(set(columns) & set(names)):
        raise BatchRefused(
            f"output.join: {both[0]!r} is a column of the input and an output of the model: "
            "rename the column, or leave join out"
        )
