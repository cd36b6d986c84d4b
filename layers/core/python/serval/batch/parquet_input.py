"""The footer of a Parquet object, and its columns as a model's inputs."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from serval.batch.columns import NOTHING_CHOSEN, ColumnChoice, InputColumns, input_columns
from serval.batch.parquet_footer import (
    TAIL_BYTES,
    Column,
    Footer,
    NotParquet,
    footer_length,
    read_footer,
)
from serval.batch.ports import Objects, Source
from serval.errors import BatchRefused
from serval.signatures import TensorSpec

FIRST_READ_BYTES = 65_536


def footer_of(objects: Objects, source: Source) -> Footer:
    """Read a Parquet object's footer.

    Raises
    ------
    BatchRefused
        If it is no whole Parquet file.
    """
    try:
        tail = _tail(objects, source, FIRST_READ_BYTES)
        needed = footer_length(tail) + TAIL_BYTES
        if len(tail) < needed <= source.size_bytes:
            tail = _tail(objects, source, needed)
        return read_footer(tail, source.size_bytes)
    except NotParquet as problem:
        raise BatchRefused(f"{source.address}: {problem}") from None


def _tail(objects: Objects, source: Source, size: int) -> bytes:
    start = max(0, source.size_bytes - size)
    return b"".join(objects.read(source, start, source.size_bytes, size))


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which columns fill which inputs."""

    inputs: Mapping[str, tuple[str, ...]]
    lists: Mapping[str, str]
    matches: tuple[InputColumns, ...] = ()


def choose_columns(
    inputs: Sequence[TensorSpec], columns: Sequence[Column], choice: ColumnChoice = NOTHING_CHOSEN
) -> Chosen:
    """Find the columns of every input; one of several elements may be one column of lists.

    Raises
    ------
    BatchRefused
        If an input has none that fit.
    """
    nested = {column.name for column in columns if column.nested}
    lists = {}
    for spec in inputs:
        named = choice.columns.get(spec.name, (spec.name,))
        if len(named) == 1 and named[0] in nested and math.prod(spec.shape[1:]) != 1:
            lists[spec.name] = named[0]
    flat = [spec for spec in inputs if spec.name not in lists]
    found = input_columns(
        flat,
        [column.name for column in columns if not column.nested],
        replace(
            choice,
            columns={name: own for name, own in choice.columns.items() if name not in lists},
        ),
    )
    by_list = [InputColumns(spec, (lists[spec.name],)) for spec in inputs if spec.name in lists]
    own = {planned.spec.name: planned.columns for planned in found}
    return Chosen(own, lists, (*by_list, *found))
