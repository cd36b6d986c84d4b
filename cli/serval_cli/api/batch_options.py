"""What the command line may choose of a batch job, and how it becomes the API's options."""

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


def columns_of(given: Sequence[str]) -> dict[str, list[str]]:
    """Read ``x=a,b``, or a JSON object as the API takes it, as the columns of each input.

    Raises
    ------
    CommandFailed
        If there is no name or no column in one.
    """
    columns: dict[str, list[str]] = {}
    for text in given:
        columns |= columns_in(text)
    return columns


def columns_in(text: str) -> dict[str, list[str]]:
    """Read what one option says; names with a comma or an equals sign in them have to be JSON."""
    if text.lstrip().startswith("{"):
        return columns_in_json(text)
    name, equals, listed = text.partition("=")
    own = listed.split(",")
    if not name or not equals or not all(own):
        raise CommandFailed(
            f"--columns {text!r}: an input and its columns expected, as x=a,b or "
            '{"x": ["a", "b"]}'
        )
    return {name: own}


def columns_in_json(text: str) -> dict[str, list[str]]:
    """Read a JSON object; what it may name, the API says."""
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


def chosen_options(
    whole: Any, options: Mapping[str, Any], output: Mapping[str, Any]
) -> dict[str, Any]:
    """Put a file of options and those of the command line together; the latter win.

    None, False and nothing stand for an option that was not given.
    """
    if not isinstance(whole, dict):
        raise CommandFailed('--options: a JSON object expected, as {"concurrency": 20}')
    chosen = {**whole, **given(options)}
    if own := given(output):
        chosen["output"] = {**whole.get("output", {}), **own}
    return chosen


def given(options: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what was not given."""
    return {
        name: value
        for name, value in options.items()
        if value is not None and value is not False and value != {}
    }
