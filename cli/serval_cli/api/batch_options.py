"""Command-line options of a batch job, and how they become options of the API."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from serval_cli.failures import CommandFailed

SourceArgument = Annotated[
    str,
    typer.Argument(
        metavar="INPUT",
        help="s3://bucket/key, s3://bucket/prefix/, or a file or folder here: it is uploaded.",
    ),
]
OutputOption = Annotated[
    str | None,
    typer.Option(
        "--output", metavar="PREFIX", show_default=False, help="s3://bucket/prefix/ to write under."
    ),
]
FormatOption = Annotated[
    Literal["auto", "csv", "jsonl", "parquet", "objects"] | None,
    typer.Option("--format", metavar="FORMAT", show_default=False, help="Format of the input."),
]
OutputFormatOption = Annotated[
    Literal["auto", "csv", "jsonl", "parquet"] | None,
    typer.Option(
        "--output-format", metavar="FORMAT", show_default=False, help="Else that of the input."
    ),
]
JoinOption = Annotated[
    bool, typer.Option("--join", help="Write the input's own columns before the outputs.")
]
ColumnsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--columns",
        metavar="TENSOR=COLUMN,…",
        show_default=False,
        help="Columns of an input of the model, in order; may be repeated. Or JSON, as the API "
        "takes it.",
    ),
]
PositionalOption = Annotated[
    bool,
    typer.Option(
        "--positional", help="The first columns fill the inputs in order, whatever their names."
    ),
]
ConcurrencyOption = Annotated[
    int | None,
    typer.Option(
        "--concurrency", min=1, metavar="N", show_default=False, help="Shards that run at once."
    ),
]
RejectedOption = Annotated[
    float | None,
    typer.Option(
        "--max-rejected-percent",
        min=0,
        max=100,
        metavar="PERCENT",
        show_default=False,
        help="Rows that may be rejected before the job fails.",
    ),
]
OptionsOption = Annotated[
    Path | None,
    typer.Option(
        "--options",
        metavar="FILE",
        show_default=False,
        help="JSON file with any of the API's options; '-' is standard input.",
    ),
]


def read_columns(given: Sequence[str]) -> dict[str, list[str]]:
    """Read the columns of each input, written as ``x=a,b`` or as the API's JSON object.

    Raises
    ------
    CommandFailed
        If an option lacks an input or a column.
    """
    columns: dict[str, list[str]] = {}
    for text in given:
        columns |= read_columns_option(text)
    return columns


def read_columns_option(text: str) -> dict[str, list[str]]:
    """Read one ``--columns`` option; names with a comma or an equals sign must be given as JSON."""
    if text.lstrip().startswith("{"):
        return read_columns_json(text)
    name, equals, listed = text.partition("=")
    own = listed.split(",")
    if not name or not equals or not all(own):
        raise CommandFailed(
            f"--columns {text!r}: an input and its columns expected, as x=a,b or "
            '{"x": ["a", "b"]}'
        )
    return {name: own}


def read_columns_json(text: str) -> dict[str, list[str]]:
    """Read a JSON object of lists; the API checks the names."""
    try:
        value = json.loads(text)
    except ValueError as error:
        raise CommandFailed(f"--columns {text!r} is not JSON: {error}") from None
    lists = isinstance(value, dict) and all(isinstance(own, list) for own in value.values())
    if not lists:
        raise CommandFailed(
            f'--columns {text!r}: lists of columns expected, as {{"x": ["a", "b"]}}'
        )
    columns: dict[str, list[str]] = value
    return columns


def merge_options(
    whole: Any, options: Mapping[str, Any], output: Mapping[str, Any]
) -> dict[str, Any]:
    """Merge the options of a file with those of the command line, which win.

    None, False and empty values mean that an option was not given.
    """
    if not isinstance(whole, dict):
        raise CommandFailed('--options: a JSON object expected, as {"concurrency": 20}')
    chosen = {**whole, **drop_unset(options)}
    if own := drop_unset(output):
        chosen["output"] = {**whole.get("output", {}), **own}
    return chosen


def drop_unset(options: Mapping[str, Any]) -> dict[str, Any]:
    """Drop the options that were not given."""
    return {
        name: value
        for name, value in options.items()
        if value is not None and value is not False and value != {}
    }
