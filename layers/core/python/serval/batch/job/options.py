"""What may be chosen of a batch job, read from JSON; whatever is not understood is refused."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from serval.errors import BatchRefused, short_repr

Format = Literal["auto", "csv", "jsonl", "parquet", "objects"]
Compression = Literal["auto", "none", "gzip", "zstd", "bz2"]
FORMATS = ("auto", "csv", "jsonl", "parquet", "objects")
COMPRESSIONS = ("auto", "none", "gzip", "zstd", "bz2")
ENCODINGS = (
    *("utf-8", "utf-16", "iso-8859-1", "iso-8859-2", "iso-8859-15"),
    *("windows-1250", "windows-1251", "windows-1252", "macintosh", "cp437", "cp850"),
    *("shift_jis", "euc-jp", "euc-kr", "big5", "gb18030"),
)
OUTPUT_FORMATS = ("auto", "csv", "jsonl", "parquet")
TIMES = ("text", "days", "seconds", "milliseconds", "microseconds", "nanoseconds")
BYTES_FORMS = ("text", "base64")
PARTITIONS = ("auto", "never")
MIB = 2**20
SHARD_BYTES = 64 * MIB
LARGEST_SHARD_BYTES = 1024 * MIB
MOST_CONCURRENCY = 1000


@dataclass(frozen=True, slots=True)
class CsvOptions:
    """How a CSV file is written."""

    delimiter: str = "auto"
    """One character, or ``auto``: the one of ``, ; tab |`` that the first records agree on."""
    header: bool | Literal["auto"] = "auto"
    """Whether the first record names the columns."""
    quoted_newlines: Literal["auto", "never"] = "auto"
    """``never``: no field has a newline in it, so nothing need be scanned to cut the file."""
    ragged: Literal["reject", "pad"] = "reject"
    """``pad``: short records are filled up, and empty fields behind the last column left out."""
    empty: Literal["missing", "reject"] = "missing"
    """What an empty field is: NaN for a float and empty text, or no value at all."""
    null_values: tuple[str, ...] = ()
    """Texts that stand for an empty field."""
    decimal: Literal[".", ","] = "."
    """What stands before the decimals of a number."""
    quote: str = '"'
    """One character that fields stand in."""
    escape: str | None = None
    """One character that takes the meaning from the next; None: there is none."""
    encoding: str = "utf-8"

    @classmethod
    def from_json(cls, value: Any) -> "CsvOptions":
        """Read the member ``csv`` of what a user wrote."""
        return _csv("csv", value)

    @property
    def rewritten(self) -> bool:
        """Tell whether the text is rewritten in RFC 4180 and UTF-8 before it is read."""
        return (self.quote, self.escape, self.encoding) != ('"', None, "utf-8")


PLAIN_CSV = CsvOptions()


@dataclass(frozen=True, slots=True)
class OutputOptions:
    """What is written, and where."""

    format: Literal["auto", "csv", "jsonl", "parquet"] = "auto"
    """``auto``: that of the input; JSONL for objects."""
    join: bool = False
    """Whether the input's own columns stand before the outputs."""
    partitioned: bool = False
    """Whether the parts are the output, each whole by itself, and no single file is written."""
    prefix: str | None = None
    """Address of a prefix, with ``{date}``, ``{time}``, ``{model}``, ``{job}`` in it."""
    leave_out: tuple[str, ...] = ()
    """Columns of the input that do not stand there."""
    tensors: tuple[str, ...] = ()
    """Outputs of the model that are written; none named: all."""
    bytes: Literal["text", "base64"] = "text"
    """How outputs of datatype BYTES are written; as text, a record with other bytes is rejected."""
    per_input: bool = False
    """Whether each file of the input has an output of its own, and no single file is written."""


@dataclass(frozen=True, slots=True)
class JobOptions:
    """Everything that may be chosen, with what holds if nothing is."""

    format: Format = "auto"
    compression: Compression = "auto"
    csv: CsvOptions = PLAIN_CSV
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Input of the model → its columns, in the order of the input's elements."""
    positional: bool = False
    """Whether the first columns fill the inputs, whatever they are called."""
    partitions: Literal["auto", "never"] = "auto"
    """Whether folders called ``column=value`` below a prefix are columns of CSV and Parquet."""
    times: str = "text"
    """What dates and times of Parquet are counted in for inputs that take numbers."""
    output: OutputOptions = OutputOptions()
    max_rejected_percent: float = 1.0
    concurrency: int = 10
    """Shards that run at once."""
    tolerated_failed_shards_percent: int = 0
    shard_bytes: int = SHARD_BYTES

    def to_json(self) -> dict[str, Any]:
        """Give every choice, defaults too."""
        return dict(json.loads(json.dumps(asdict(self))))

    @classmethod
    def from_json(cls, value: Any) -> "JobOptions":
        """Read what a user wrote.

        Raises
        ------
        BatchRefused
            Naming the first member that is not known or has an impossible value.
        """
        return cls(**_members("options", value, OPTIONS))


DEFAULTS = JobOptions()
Reader = Callable[[str, Any], Any]
"""Gives a member's value, or raises ``BatchRefused``."""


def _members(name: str, value: Any, known: Mapping[str, Reader]) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise BatchRefused(f"{name}: {short_repr(value)} given, an object expected")
    if unknown := [member for member in value if member not in known]:
        raise BatchRefused(
            f"{name}: {short_repr(unknown[0])} is not known; there is {', '.join(known)}"
        )
    prefix = "" if name == "options" else f"{name}."
    return {member: known[member](f"{prefix}{member}", value[member]) for member in value}


def _one_of(*allowed: str) -> Reader:
    def read(name: str, value: Any) -> str:
        if value not in allowed:
            raise BatchRefused(
                f"{name}: {short_repr(value)} given, one of {', '.join(allowed)} expected"
            )
        return str(value)

    return read


def _boolean(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise BatchRefused(f"{name}: {short_repr(value)} given, true or false expected")
    return value


def _integer(least: int, most: int) -> Reader:
    def read(name: str, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise BatchRefused(f"{name}: {short_repr(value)} given, {least} to {most} expected")
        return value

    return read


def _percent(name: str, value: Any) -> float:
    number = not isinstance(value, bool) and isinstance(value, int | float)
    if not number or not math.isfinite(value) or not 0 <= value <= 100:
        raise BatchRefused(
            f"{name}: {short_repr(value)} given, a percentage from 0 to 100 expected"
        )
    return float(value)


def _delimiter(name: str, value: Any) -> str:
    if value == "auto":
        return "auto"
    if value == '"':
        raise BatchRefused(
            f"{name}: {short_repr(value)} given, 'auto' or one ASCII character expected"
        )
    return _character(name, value, "'auto' or ")


def _character(name: str, value: Any, otherwise: str = "") -> str:
    if isinstance(value, str) and len(value) == 1 and value.isascii() and value not in "\r\n":
        return value
    raise BatchRefused(
        f"{name}: {short_repr(value)} given, {otherwise}one ASCII character expected"
    )


def _escape(name: str, value: Any) -> str | None:
    return None if value is None else _character(name, value, "null or ")


def _texts(name: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
        raise BatchRefused(f"{name}: {short_repr(value)} given, a list of texts expected")
    return tuple(value)


def _csv(name: str, value: Any) -> CsvOptions:
    chosen = CsvOptions(**_members(name, value, CSV))
    special = [chosen.delimiter, chosen.quote, *([chosen.escape] if chosen.escape else [])]
    if len(set(special)) < len(special):
        raise BatchRefused(f"{name}: delimiter, quote and escape have to differ")
    if chosen.delimiter == "auto" and (chosen.quote, chosen.escape) != ('"', None):
        raise BatchRefused(f"{name}: quote and escape need the delimiter too")
    if chosen.decimal == chosen.delimiter == ",":
        raise BatchRefused(f"{name}.decimal: ',' is the delimiter too")
    return chosen


def _header(name: str, value: Any) -> bool | str:
    return "auto" if value == "auto" else _boolean(name, value)


def _columns(name: str, value: Any) -> dict[str, tuple[str, ...]]:
    if not isinstance(value, Mapping):
        raise BatchRefused(f"{name}: {short_repr(value)} given, inputs with their columns expected")
    return {key: _names(f"{name}.{key:.80}", own) for key, own in value.items()}


def _names(name: str, value: Any) -> tuple[str, ...]:
    own = [value] if isinstance(value, str) else value
    if not isinstance(own, list) or not own or not all(isinstance(one, str) for one in own):
        raise BatchRefused(
            f"{name}: {short_repr(value)} given, a column or a list of columns expected"
        )
    return tuple(own)


def _prefix(name: str, value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not value.startswith("s3://"):
        raise BatchRefused(f"{name}: {short_repr(value)} given, 's3://bucket/prefix/' expected")
    return value


CSV: Mapping[str, Reader] = {
    "delimiter": _delimiter,
    "header": _header,
    "quoted_newlines": _one_of("auto", "never"),
    "ragged": _one_of("reject", "pad"),
    "empty": _one_of("missing", "reject"),
    "null_values": _texts,
    "decimal": _one_of(".", ","),
    "quote": _character,
    "escape": _escape,
    "encoding": _one_of(*ENCODINGS),
}
OUTPUT: Mapping[str, Reader] = {
    "format": _one_of(*OUTPUT_FORMATS),
    "join": _boolean,
    "leave_out": _texts,
    "tensors": _texts,
    "partitioned": _boolean,
    "per_input": _boolean,
    "bytes": _one_of(*BYTES_FORMS),
    "prefix": _prefix,
}
OPTIONS: Mapping[str, Reader] = {
    "format": _one_of(*FORMATS),
    "compression": _one_of(*COMPRESSIONS),
    "csv": lambda name, value: _csv(name, value),
    "columns": _columns,
    "positional": _boolean,
    "partitions": _one_of(*PARTITIONS),
    "times": _one_of(*TIMES),
    "output": lambda name, value: OutputOptions(**_members(name, value, OUTPUT)),
    "max_rejected_percent": _percent,
    "concurrency": _integer(1, MOST_CONCURRENCY),
    "tolerated_failed_shards_percent": _integer(0, 100),
    "shard_bytes": _integer(1, LARGEST_SHARD_BYTES),
}
