"""What the steps of a job hand to each other: the layout, shards, ranges and the outline.

Lists of them lie under the job's prefix as JSON lines; the state machine sees one line at a time.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from serval.batch.input.find import FoundCompression, FoundFormat
from serval.batch.job.keys import Source
from serval.batch.job.options import PLAIN_CSV, CsvOptions, OutputFormat
from serval.models.signature import TensorSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How every shard of a job reads and writes; the same for all attempts."""

    format: FoundFormat
    compression: FoundCompression = "none"
    columns: tuple[str, ...] = ()
    """Columns of a table, in the order of the file."""
    partitions: tuple[str, ...] = ()
    """Columns whose values are in the keys of the files."""
    inputs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Input of the model → its columns."""
    lists: Mapping[str, str] = field(default_factory=dict)
    """Input of the model → the one column that holds all of its elements as a list."""
    array: bool = False
    """Whether each JSON file is one array of records."""
    times: str = ""
    """Unit in which dates and times are counted for inputs that take numbers."""
    joined_types: str = ""
    """Types of the joined Parquet columns, common to all files: a Parquet file without rows."""
    delimiter: str = ","
    header: bool = False
    quoted: bool = True
    """Whether a newline in quotes is part of a field."""
    csv: CsvOptions = PLAIN_CSV
    """As the job chose them."""
    output: OutputFormat = "jsonl"
    outputs: tuple[TensorSpec, ...] = ()
    """Outputs of the model that are written."""
    join: bool = False
    joined: tuple[str, ...] = ()
    """Columns of the input that are written before the outputs."""
    partitioned: bool = False
    per_input: bool = False
    """Whether each input file has its own output."""
    base64: bool = False
    """Whether outputs of datatype BYTES are written in base64."""
    answers_are_json: bool = False
    """Whether the output is a task's: JSON values, written as they are."""
    batch_rows: int = 32
    block_bytes: int = 4 * 2**20
    """Bytes of text that are read and answered at once."""
    block_rows: int = 65_536
    """Rows of a table, or objects, that are read and answered at once."""
    several_files: bool = False
    """Whether a rejected record names its file."""

    def to_json(self) -> dict[str, Any]:
        """Return the layout as ``plan/plan.json`` stores it."""
        return asdict(self) | {"outputs": [spec.to_json() for spec in self.outputs]}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Layout":
        """Read what ``to_json`` returned."""
        read = {
            "columns": tuple(value["columns"]),
            "partitions": tuple(value.get("partitions", ())),
            "inputs": {name: tuple(columns) for name, columns in value["inputs"].items()},
            "outputs": tuple(map(TensorSpec.from_json, value["outputs"])),
            "csv": CsvOptions.from_json(value.get("csv", {})),
            "joined": tuple(value.get("joined", value["columns"] if value["join"] else ())),
        }
        return cls(**{**value, **read})

    @property
    def needed_columns(self) -> set[str]:
        """The columns that a shard reads from the files."""
        columns = {column for own in self.inputs.values() for column in own}
        columns |= {*self.lists.values(), *(self.joined if self.join else ())}
        return columns - {*self.partitions}

    @property
    def is_cut(self) -> bool:
        """Whether a large file is cut into shards."""
        return self.is_raw and self.format != "objects"

    @property
    def is_raw(self) -> bool:
        """Whether text is read as stored, so that a shard can begin within a file."""
        rewritten = self.format == "csv" and self.csv.rewritten
        return self.compression == "none" and not rewritten and not self.array


@dataclass(frozen=True, slots=True)
class ShardItem:
    """One line of ``plan/shards.jsonl``: what a shard works on.

    With a source: bytes of a text file, or rows of a Parquet file, from ``start`` up to ``end``.
    Without: whole files or objects, whose lines of ``plan/files.jsonl`` lie in that range of bytes.
    """

    job: str
    index: int
    file: int
    """Number of the (first) file in the input, from 0."""
    start: int
    end: int
    first: int | None
    """Number of the first record in its file; None if the records before it were not counted."""
    head: bool = False
    """Whether the shard begins with the header of a table."""
    source: Source | None = None
    needed: tuple[int, int] | None = None
    """Range of bytes of ``plan/footers.jsonl`` with what the shard needs of a Parquet file; None if
    the plan has not looked into the file."""

    def to_json(self) -> dict[str, Any]:
        """Return the line, which is also the input of the step."""
        value = {
            "job": self.job,
            "shard": self.index,
            "file": self.file,
            "start": self.start,
            "end": self.end,
            "first": self.first,
            "head": self.head,
        }
        if self.needed is not None:
            value["needed"] = list(self.needed)
        return value | ({"source": self.source.to_json()} if self.source else {})

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "ShardItem":
        """Read what ``to_json`` returned."""
        source = Source.from_json(value["source"]) if "source" in value else None
        needed = tuple(value["needed"]) if "needed" in value else None
        return cls(
            value["job"],
            value["shard"],
            value["file"],
            value["start"],
            value["end"],
            value["first"],
            value["head"],
            source,
            needed,
        )


@dataclass(frozen=True, slots=True)
class RangeItem:
    """One line of ``plan/ranges.jsonl``: bytes of a CSV file that one scan reads."""

    job: str
    number: int
    start: int
    end: int
    step: int
    """Size of a shard: one cut is wanted in each step."""
    delimiter: str
    mark: int
    """Where the text begins, after a byte order mark."""
    source: Source

    def to_json(self) -> dict[str, Any]:
        """Return the line, which is also the input of the step."""
        return {
            "job": self.job,
            "range": self.number,
            "start": self.start,
            "end": self.end,
            "step": self.step,
            "delimiter": self.delimiter,
            "mark": self.mark,
            "source": self.source.to_json(),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "RangeItem":
        """Read what ``to_json`` returned."""
        return cls(
            value["job"],
            value["range"],
            value["start"],
            value["end"],
            value["step"],
            value["delimiter"],
            value["mark"],
            Source.from_json(value["source"]),
        )


@dataclass(frozen=True, slots=True)
class ScannedFile:
    """One line of ``plan/outline.jsonl``: a file whose shards follow from its scans."""

    file: int
    source: Source
    mark: int
    first_range: int
    ranges: int

    def to_json(self) -> dict[str, Any]:
        """Return the line."""
        return {
            "scanned": self.file,
            "source": self.source.to_json(),
            "mark": self.mark,
            "first_range": self.first_range,
            "ranges": self.ranges,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "ScannedFile":
        """Read what ``to_json`` returned."""
        return cls(
            value["scanned"],
            Source.from_json(value["source"]),
            value["mark"],
            value["first_range"],
            value["ranges"],
        )


OutlineEntry = ShardItem | ScannedFile


def to_lines(items: Iterable[ShardItem | RangeItem | ScannedFile]) -> bytes:
    """Write items as JSON lines."""
    return b"".join(
        json.dumps(item.to_json(), separators=(",", ":")).encode() + b"\n" for item in items
    )


def read_shards(lines: bytes) -> Iterator[ShardItem]:
    """Read the lines of ``plan/shards.jsonl``."""
    return (ShardItem.from_json(json.loads(line)) for line in lines.splitlines())


def read_outline(lines: bytes) -> Iterator[OutlineEntry]:
    """Read the lines of ``plan/outline.jsonl``."""
    for line in lines.splitlines():
        value = json.loads(line)
        yield ScannedFile.from_json(value) if "scanned" in value else ShardItem.from_json(value)
