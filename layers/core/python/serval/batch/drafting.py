"""From a survey to a layout: how the input is read and the output written, or why it cannot be."""

from serval.batch.detection import FoundFormat
from serval.batch.layout import Layout
from serval.batch.options import JobOptions
from serval.batch.outputs import OutputFormat, column_names
from serval.batch.sizing import Pace
from serval.batch.survey import Survey
from serval.errors import BatchRefused
from serval.signatures import Signature, TensorSpec

OWN_OUTPUT: dict[FoundFormat, OutputFormat] = {
    "csv": "csv",
    "jsonl": "jsonl",
    "parquet": "parquet",
    "objects": "jsonl",
}
OBJECT = "object"
"""Column of the addresses that answers to objects are joined with."""


def drafted(survey: Survey, options: JobOptions, signature: Signature, pace: Pace) -> Layout:
    """Lay a job out.

    Raises
    ------
    BatchRefused
        If the model's outputs do not fit what is to be written.
    """
    chosen = options.output.format
    output = OWN_OUTPUT[survey.kind.format] if chosen == "auto" else chosen
    check_outputs(signature.outputs, output)
    columns = (OBJECT,) if survey.kind.format == "objects" else survey.columns
    if options.output.join:
        check_join(survey, output, columns, signature)
    alone = any(spec.shape[0] == 1 for spec in signature.inputs)
    return Layout(
        format=survey.kind.format,
        compression=survey.kind.compression,
        columns=columns,
        inputs=survey.inputs,
        lists=survey.lists,
        delimiter=survey.table.delimiter if survey.table else ",",
        header=survey.table.header if survey.table else False,
        quoted=survey.kind.format == "csv" and options.csv.quoted_newlines == "auto",
        output=output,
        outputs=signature.outputs,
        join=options.output.join,
        partitioned=options.output.partitioned,
        batch_rows=1 if alone else pace.batch_rows,
        block_bytes=pace.block_bytes(survey.row_bytes),
        block_rows=pace.block_rows(survey.row_bytes),
        several_files=len(survey.sources) > 1,
    )


def check_batches(signature: Signature) -> None:
    """Refuse a model of which a run's first extent is not its rows."""
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
    """Refuse outputs that fill no columns where columns are to be written."""
    if output == "jsonl":
        return
    for spec in outputs:
        if -1 in spec.shape[1:]:
            raise BatchRefused(
                f"output {spec.name!r} has shape {list(spec.shape)}: extents that vary fill no "
                f"columns of {output}; choose output.format jsonl"
            )


def check_join(
    survey: Survey, output: OutputFormat, columns: tuple[str, ...], signature: Signature
) -> None:
    """Refuse to join what cannot stand in one record."""
    if survey.kind.format == "jsonl":
        if output != "jsonl":
            raise BatchRefused(
                f"output.join: JSONL records have no columns to stand in {output}; choose "
                "output.format jsonl"
            )
        return
    if survey.footer and output == "csv":
        nested = [column.name for column in survey.footer.columns if column.nested]
        if nested:
            raise BatchRefused(
                f"output.join: column {nested[0]!r} is nested, which CSV has no form for; choose "
                "output.format parquet or jsonl"
            )
    names = [spec.name for spec in signature.outputs]
    if output != "jsonl":
        names = [name for spec in signature.outputs for name in column_names(spec)]
    if both := sorted(set(columns) & set(names)):
        raise BatchRefused(
            f"output.join: {both[0]!r} is a column of the input and an output of the model: "
            "rename the column, or leave join out"
        )
