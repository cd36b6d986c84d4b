"""One output file for each input file, named after it."""

from collections.abc import Sequence

from serval.batch.input.partition_columns import path_below
from serval.batch.job.keys import BY_INPUT, MOST_KEY_BYTES, Address, Source
from serval.batch.job.layout import Layout
from serval.errors import BatchRefused

MOST_FILES = 5_000
"""Each takes at least one shard."""


def output_name(source: Source, addresses: Sequence[Address], extension: str) -> str:
    """Return the path of a file below its prefix, with the extension of the output's format."""
    prefixes = [address for address in addresses if address.is_prefix]
    name = path_below(source, prefixes) or source.key.rpartition("/")[2]
    return name if name.endswith(f".{extension}") else f"{name}.{extension}"


def check_per_input(
    layout: Layout, sources: Sequence[Source], addresses: Sequence[Address], output: str
) -> None:
    """Refuse a job that cannot have an output for each input file.

    Raises
    ------
    BatchRefused
        If there are too many files, or two would be written to the same key.
    """
    if layout.partitioned:
        raise BatchRefused("output.per_input: the parts are the output by output.partitioned")
    if layout.format == "objects":
        raise BatchRefused(
            "output.per_input: an object is one record, which needs no file of its own"
        )
    if len(sources) > MOST_FILES:
        raise BatchRefused(
            f"output.per_input: {len(sources)} files, at most {MOST_FILES} expected: each has a "
            "shard of its own"
        )
    found: dict[str, Source] = {}
    for source in sources:
        name = output_name(source, addresses, layout.output)
        if (other := found.setdefault(name, source)) is not source:
            raise BatchRefused(
                f"output.per_input: {other.address} and {source.address} would both be written to "
                f"{BY_INPUT}{name}: make a job of each"
            )
        if len(f"{output}{BY_INPUT}{name}".encode()) > MOST_KEY_BYTES:
            raise BatchRefused(
                f"output.per_input: {source.address} gives a key of more than {MOST_KEY_BYTES} "
                "bytes: choose a shorter output.prefix"
            )
