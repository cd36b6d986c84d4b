"""Rows of ``--sample``, and of the example that MLflow keeps."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from serval.errors import InvalidInputs
from serval.tasks.table.rows import Row, read_rows
from serval_cli.conversion.original import OriginalColumn
from serval_cli.failures import CommandFailed
from serval_cli.json_files import read_json

WRAPPERS = ("table", "dataframe_split", "dataframe_records", "instances", "inputs")
"""Members in which requests put a table."""


def read_sample_rows(files: Sequence[Path]) -> list[Row]:
    """Read the rows of samples; empty if there are none.

    Raises
    ------
    CommandFailed
        If a file is no table.
    """
    rows: list[Row] = []
    for path in files:
        if not path.is_file():
            raise CommandFailed(f"{path} is not a file: rows for the model expected")
        try:
            found = read_rows(_read_table(path))
        except InvalidInputs as refused:
            raise CommandFailed(f"{path}: {refused}") from None
        if not found:
            raise CommandFailed(f"{path} has no rows")
        rows += found
    return rows


def _read_table(path: Path) -> Any:
    if path.suffix.lower() == ".csv":
        return path.read_bytes()
    if path.suffix.lower() != ".json":
        raise CommandFailed(f"{path}: a table expected, as .csv or .json")
    value = read_json(path)
    if isinstance(value, dict):
        inner = [value[name] for name in WRAPPERS if isinstance(value.get(name), dict | list)]
        return inner[0] if len(inner) == 1 else value
    return value


def fit_rows(rows: Sequence[Row], columns: Sequence[OriginalColumn]) -> tuple[list[Row], list[str]]:
    """Leave out the columns that a model does not take, and return their names.

    Raises
    ------
    CommandFailed
        If a row lacks a column.
    """
    names = [column.name for column in columns]
    for index, row in enumerate(rows):
        if missing := [name for name in names if name not in row]:
            raise CommandFailed(
                f"sample: row {index} has no column {missing[0]!r}; the model takes "
                f"{', '.join(map(repr, names))}, and the sample has {', '.join(map(repr, row))}"
            )
    left_out = list(dict.fromkeys(name for row in rows for name in row if name not in names))
    return [{name: row[name] for name in names} for row in rows], left_out


def looks_like_text(rows: Sequence[Row], name: str) -> bool:
    """Return whether a column of a sample holds anything that is no number."""
    return any(
        isinstance(cell, str) and not _is_number(cell) for cell in (row.get(name) for row in rows)
    )


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return cell.strip().casefold() in ("", "na", "true", "false", "null", "none")
    return True
