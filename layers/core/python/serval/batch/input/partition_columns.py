"""Partition columns, whose values are in the keys of files: ``country=de/day=1/part.csv``."""

from collections.abc import Mapping, Sequence
from urllib.parse import unquote

import polars as pl

from serval.batch.input.column_refusals import quoted_list
from serval.batch.job.keys import Address, Source
from serval.errors import BatchRefused

MISSING = "__HIVE_DEFAULT_PARTITION__"
"""What Hive and similar tools write where there is no value."""
WAY_OUT = "or say 'partitions': 'never'"
Partition = Mapping[str, str | None]
"""Column → its value in all records of a file."""
NO_PARTITION: Partition = {}


def partition_names(sources: Sequence[Source], addresses: Sequence[Address]) -> tuple[str, ...]:
    """Return the partition columns of all files, from their keys below the prefixes of the job.

    Raises
    ------
    BatchRefused
        If files have different ones, or a key contains one twice.
    """
    prefixes = [address for address in addresses if address.is_prefix]
    first: tuple[str, ...] | None = None
    for source in sources:
        own = tuple(name for name, _ in _read_folders(source, path_below(source, prefixes)))
        if len(set(own)) < len(own):
            raise BatchRefused(f"{source.address}: its key has a partition twice; {WAY_OUT}")
        if first is None:
            first = own
        elif set(own) != set(first):
            raise BatchRefused(
                f"{source.address}: the partitions of its key are {_list_names(own)}; those of the "
                f"first file are {_list_names(first)}: make a job of each, {WAY_OUT}"
            )
    return first or ()


def partition_of(source: Source, names: Sequence[str]) -> Partition:
    """Read the values of these columns from a file's key."""
    if not names:
        return NO_PARTITION
    # Folders above the job's prefix may repeat a name; the last one is below it and counts.
    found = dict(_read_folders(source, source.key))
    return {name: found[name] for name in names}


def check_partitions(names: Sequence[str], columns: Sequence[str]) -> None:
    """Refuse a column that is in the keys and in the file, since the two may differ."""
    if both := [name for name in names if name in columns]:
        raise BatchRefused(
            f"{both[0]!r} is a column of the file and a partition in its key: leave one of them "
            f"out, {WAY_OUT}, which leaves out those in keys"
        )


def add_partition(frame: pl.DataFrame, partition: Partition) -> pl.DataFrame:
    """Append the values in a file's key as columns to its records."""
    values = [pl.lit(value, pl.String).alias(name) for name, value in partition.items()]
    return frame.with_columns(values)


def path_below(source: Source, prefixes: Sequence[Address]) -> str:
    """Return the part of a key below the prefix under which the file was found."""
    lengths = [
        len(prefix.key)
        for prefix in prefixes
        if prefix.bucket == source.bucket and source.key.startswith(prefix.key)
    ]
    return source.key[min(lengths) :] if lengths else ""


def _read_folders(source: Source, path: str) -> list[tuple[str, str | None]]:
    """Read the folders of a path that are named ``column=value``."""
    if "=" not in path:
        return []
    parts = (folder.partition("=") for folder in path.split("/")[:-1])
    try:
        return [
            (unquote(name, errors="strict"), _value(value))
            for name, sign, value in parts
            if name and sign
        ]
    except UnicodeDecodeError:
        raise BatchRefused(
            f"{source.address}: its key has what is no UTF-8 in a partition; {WAY_OUT}"
        ) from None


def _value(text: str) -> str | None:
    return None if text in (MISSING, "") else unquote(text, errors="strict")


def _list_names(names: Sequence[str]) -> str:
    return quoted_list(names) if names else "none"
