"""Columns of a Parquet object as a model's inputs, and what shards need of them."""

import math
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial

import polars as pl

from serval.batch.input.columns import NO_CHOICE, ColumnChoice, InputColumns, match_columns
from serval.batch.input.parquet.column_types import widen_types
from serval.batch.input.parquet.footer import Column, Footer, NotParquet, fetch_footer
from serval.batch.input.parquet.needs import Needs, schema_of
from serval.batch.input.partition_columns import check_partitions
from serval.batch.job.keys import Source
from serval.batch.job.ports import BatchObjects
from serval.errors import BatchRefused
from serval.models.signature import TensorSpec

MOST_LOOKED_AT = 20_000
"""Files whose types the plan compares; shards check the others against its result."""


def read_object_footer(objects: BatchObjects, source: Source) -> Footer:
    """Read a Parquet object's footer.

    Raises
    ------
    BatchRefused
        If the object is not a complete Parquet file.
    """
    try:
        return fetch_footer(source.size_bytes, partial(_tail, objects, source))
    except NotParquet as problem:
        raise BatchRefused(f"{source.address}: {problem}") from None


def needs_of(
    objects: BatchObjects, source: Source, columns: Collection[str], partitions: Sequence[str] = ()
) -> Needs:
    """Return what shards need of some columns of a Parquet object.

    Raises
    ------
    BatchRefused
        If it is not a complete Parquet file, lacks a column, or has one that its key has too.
    """
    footer = check_columns(source, read_object_footer(objects, source), columns)
    check_partitions(partitions, [column.name for column in footer.columns])
    try:
        return Needs.of(footer, source.size_bytes, columns)
    except NotParquet as problem:
        raise BatchRefused(f"{source.address}: {problem}") from None


def find_joined_types(
    objects: BatchObjects, sources: Sequence[Source], columns: Sequence[str], pool: Executor
) -> str:
    """Return common types for columns of several files, as ``widen_types`` writes them.

    Raises
    ------
    BatchRefused
        If a column has incompatible types in two files, or is missing from one.
    """

    def schema(source: Source) -> tuple[str, pl.DataFrame]:
        found = check_columns(source, read_object_footer(objects, source), columns)
        try:
            return str(source.address), schema_of(found, columns)
        except NotParquet as problem:
            raise BatchRefused(f"{source.address}: {problem}") from None

    return widen_types(list(pool.map(schema, sources[:MOST_LOOKED_AT])))


def find_binary_column(footer: Footer, columns: Collection[str]) -> str | None:
    """Return a column of bytes, which text formats cannot hold; None if there is none."""
    try:
        found = schema_of(footer, columns).schema
    except NotParquet as problem:
        raise BatchRefused(str(problem)) from None
    return next((name for name, kind in found.items() if "Binary" in str(kind)), None)


def check_columns(source: Source, footer: Footer, columns: Collection[str]) -> Footer:
    """Refuse a file without a column that the first one has."""
    if missing := sorted({*columns} - {column.name for column in footer.columns}):
        raise BatchRefused(
            f"{source.address}: it has no column {missing[0]!r}, as the first file has"
        )
    return footer


def _tail(objects: BatchObjects, source: Source, size: int) -> bytes:
    start = max(0, source.size_bytes - size)
    return b"".join(objects.read(source, start, source.size_bytes, size))


@dataclass(frozen=True, slots=True)
class ChosenColumns:
    """Which columns fill which inputs."""

    inputs: Mapping[str, tuple[str, ...]]
    lists: Mapping[str, str]
    matches: tuple[InputColumns, ...] = ()


def choose_columns(
    inputs: Sequence[TensorSpec],
    columns: Sequence[Column],
    choice: ColumnChoice = NO_CHOICE,
    partitions: Sequence[str] = (),
) -> ChosenColumns:
    """Find the columns of every input; one list column may fill an input of several elements.

    Raises
    ------
    BatchRefused
        If no columns fit an input.
    """
    nested = {column.name for column in columns if column.nested}
    lists = {}
    for spec in inputs:
        named = choice.columns.get(spec.name, (spec.name,))
        if len(named) == 1 and named[0] in nested and math.prod(spec.shape[1:]) != 1:
            lists[spec.name] = named[0]
    flat = [spec for spec in inputs if spec.name not in lists]
    found = match_columns(
        flat,
        [column.name for column in columns if not column.nested],
        replace(
            choice,
            columns={name: own for name, own in choice.columns.items() if name not in lists},
        ),
        partitions=partitions,
        texts={column.name for column in columns if column.texts},
    )
    by_list = [InputColumns(spec, (lists[spec.name],)) for spec in inputs if spec.name in lists]
    own = {planned.spec.name: planned.columns for planned in found}
    return ChosenColumns(own, lists, (*by_list, *found))
