"""Options of a batch job, read from JSON; whatever is not understood is refused."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from serval.errors import BatchRefused
from serval.short_repr import short_repr

Format = Literal["auto", "csv", "jsonl", "parquet", "objects"]
Compression = Literal["auto", "none", "gzip", "zstd", "bz2"]
FORMATS = ("auto", "csv", "jsonl", "parquet", "objects")
COMPRESSIONS = ("auto", "none", "gzip", "zstd", "bz2")
ENCODINGS = (
    *("utf-8", "utf-16", "iso-8859-1", "iso-8859-2", "iso-8859-15"),
    *("windows-1250", "windows-1251", "windows-1252", "macintosh", "cp437", "cp850"),
    *("shift_jis", "euc-jp", "euc-kr", "big5", "gb18030"),
)
OutputFormat = Literal["csv", "jsonl", "parquet"]
"""What a job writes, once it is planned."""
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
    """One character, or ``auto``: the one of ``, ; tab |`` on which the first records agree."""
    header: bool | Literal["auto"] = "auto"
    """Whether the first record names the columns."""
    quoted_newlines: Literal["auto", "never"] = "auto"
    """``never``: no field contains a newline, so the file can be cut without a scan."""
    ragged: Literal["reject", "pad"] = "reject"
    """``pad``: fill up short records, and drop empty fields after the last column."""
    empty: Literal["missing", "reject"] = "missing"
    """``missing``: an empty field is NaN for a float, empty text, or otherwise no value."""
    null_values: tuple[str, ...] = ()
    """Texts that stand for an empty field."""
    decimal: Literal[".", ","] = "."
    """Decimal separator of numbers."""
    quote: str = '"'
    """The quote character."""
    escape: str | None = None
    """Character that escapes the next one; None if there is none."""
    encoding: str = "utf-8"

    @classmethod
    def from_json(cls, value: Any) -> "CsvOptions":
        """Read the member ``csv`` of the options."""
        return _csv("csv", value)

    @property
    def rewritten(self) -> bool:
        """Whether the text is rewritten as RFC 4180 in UTF-8 before it is read."""
        return (self.quote, self.escape, self.encoding) != ('"', None, "utf-8")


PLAIN_CSV = CsvOptions()


@dataclass(frozen=True, slots=True)
class OutputOptions:
    """What is written, and where."""

    format: Literal["auto", "csv", "jsonl", "parquet"] = "auto"
    """``auto``: the format of the input; JSONL for objects."""
    join: bool = False
    """Whether the input's own columns are written before the outputs."""
    partitioned: bool = False
    """Whether the parts are the output, each complete in itself, and no single file is written."""
    prefix: str | None = None
    """Address of a prefix; may contain ``{date}``, ``{time}``, ``{model}`` and ``{job}``."""
    leave_out: tuple[str, ...] = ()
    """Columns of the input that are not joined."""
    tensors: tuple[str, ...] = ()
    """Outputs of the model that are written; empty: all."""
    bytes: Literal["text", "base64"] = "text"
    """How outputs of datatype BYTES are written; ``text`` rejects records with other bytes."""
    per_input: bool = False
    """Whether each input file has its own output, and no single file is written."""


@dataclass(frozen=True, slots=True)
class JobOptions:
    """All options, with their defaults."""

    format: Format = "auto"
    compression: Compression = "auto"
    csv: CsvOptions = PLAIN_CSV
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Input of the model → its columns, in the order of the input's elements."""
    positional: bool = False
    """Whether the first columns fill the inputs, whatever their names."""
    partitions: Literal["auto", "never"] = "auto"
    """Whether folders named ``column=value`` below a prefix are columns of CSV and Parquet."""
    times: str = "text"
    """Unit in which dates and times of Parquet are counted for inputs that take numbers."""
    output: OutputOptions = OutputOptions()
    max_rejected_percent: float = 1.0
    concurrency: int = 10
    """Shards that run at once."""
    tolerated_failed_shards_percent: int = 0
    shard_bytes: int = SHARD_BYTES

    def to_json(self) -> dict[str, Any]:
        """Return every option, defaults included."""
        return dict(json.loads(json.dumps(asdict(self))))

    @classmethod
    def from_json(cls, value: Any) -> "JobOptions":
        """Read the options that a user wrote.

        Raises
        ------
        BatchRefused
            For the first member that is unknown or has an impossible value.
        """
        return cls(**_members("options", value, OPTIONS))


DEFAULTS = JobOptions()
Reader = Callable[[str, Any], Any]
"""Returns a member's value, or raises ``BatchRefused``."""


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
