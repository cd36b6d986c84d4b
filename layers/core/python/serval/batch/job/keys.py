"""Addresses and keys of batch jobs: where uploads arrive, and where a job writes."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from serval.batch.job.job import OutputPiece
from serval.errors import BatchRefused
from serval.models.storage import MODEL_NAME
from serval.short_repr import short_repr

ADDRESS = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/(.*)", re.DOTALL)
TEMPLATE = re.compile(r"\{([^{}]*)\}")
OPTIONS_SUFFIX = ".options.json"
"""Suffix of the object beside an input that holds the options for it."""
MOST_KEY_BYTES = 1024
BY_INPUT = "by-input/"
"""Folder under a job's prefix with an output for each input file, if the job asked for that."""


@dataclass(frozen=True, slots=True)
class Address:
    """A bucket with a key, or with a prefix of keys."""

    bucket: str
    key: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"

    @property
    def is_prefix(self) -> bool:
        """Whether the address stands for all keys that begin with it."""
        return not self.key or self.key.endswith("/")

    def under(self, path: str) -> "Address":
        """Return the address of a path under this prefix."""
        return Address(self.bucket, self.key + path)


@dataclass(frozen=True, slots=True)
class Source:
    """One object of the input, as it was when the job was planned."""

    bucket: str
    key: str
    size_bytes: int
    etag: str
    version_id: str | None = None
    """None for an object found in a listing, which only the ETag pins."""
    modified: str = ""
    """UTC, ISO 8601."""

    @property
    def address(self) -> Address:
        """Address of the object."""
        return Address(self.bucket, self.key)

    def to_json(self) -> dict[str, Any]:
        """Return the source as one step hands it to the next."""
        return {
            "bucket": self.bucket,
            "key": self.key,
            "size": self.size_bytes,
            "etag": self.etag,
            "version": self.version_id,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Source":
        """Read what ``to_json`` returned."""
        return cls(value["bucket"], value["key"], value["size"], value["etag"], value["version"])


@dataclass(frozen=True, slots=True)
class Range:
    """Bytes of an object that a shard has written, or literal bytes."""

    piece: OutputPiece | None
    start: int
    end: int
    body: bytes = b""
    """The literal bytes, if there is no piece."""

    @property
    def size_bytes(self) -> int:
        """Size of the range."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a joined object: copied by S3 if it is one range of an object, else uploaded."""

    ranges: tuple[Range, ...]
    copied: bool

    @property
    def size_bytes(self) -> int:
        """Size of all ranges."""
        return sum(each.size_bytes for each in self.ranges)


def read_address(text: object, name: str) -> Address:
    """Read ``s3://bucket/key``; ``name`` is what a refusal calls the address."""
    found = ADDRESS.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise BatchRefused(f"{name}: {short_repr(text)} given, 's3://bucket/key' expected")
    return Address(found[1], found[2])


def parse_input_key(key: str) -> str | None:
    """Return the model of an uploaded input, ``batch/<model>/in/<anything>``; None for other keys.

    Names that begin with ``.`` or ``_``, options beside an input, and the empty objects that stand
    for folders start no job.
    """
    match key.split("/", 3):
        case ["batch", model, "in", rest] if MODEL_NAME.fullmatch(model):
            name = rest.rpartition("/")[2]
            ignored = name.endswith(OPTIONS_SUFFIX) or name.startswith((".", "_"))
            return None if not name or ignored else model
    return None


def default_output(data_bucket: str, model: str, job: str) -> Address:
    """Return the output prefix of a job that names none."""
    return Address(data_bucket, f"batch/{model}/out/{job}/")


def fill_template(template: str, model: str, job: str, moment: datetime) -> str:
    """Fill in ``{date}``, ``{time}``, ``{model}`` and ``{job}``.

    Raises
    ------
    BatchRefused
        If the template contains another word in braces.
    """
    utc = moment.astimezone(UTC)
    words: Mapping[str, str] = {
        "date": f"{utc:%Y-%m-%d}",
        "time": f"{utc:%H-%M-%S}",
        "model": model,
        "job": job,
    }
    for word in TEMPLATE.findall(template):
        if word not in words:
            raise BatchRefused(
                f"{short_repr(template)}: {{{short_repr(word)[1:-1]}}} is not known; there is "
                + ", ".join(f"{{{known}}}" for known in words)
            )
    return TEMPLATE.sub(lambda found: words[found[1]], template)


def check_apart(output: Address, inputs: list[Address], data_bucket: str) -> None:
    """Refuse an output prefix where the output would become input, of this job or of another."""
    for found in inputs:
        if overlaps(output, found):
            raise BatchRefused(
                f"output {output} overlaps input {found}: what the job writes would be read "
                "again; choose a prefix that is apart from it"
            )
    if output.bucket == data_bucket and re.match(r"batch/[^/]*/in(/|$)", output.key):
        raise BatchRefused(
            f"output {output} is where uploads start batch jobs: what the job writes would start "
            "others; choose a prefix that is not batch/<model>/in/"
        )


def check_within(model: str, addresses: Iterable[Address], data_bucket: str) -> None:
    """Refuse addresses that the workers of a model's fleet may neither read nor write."""
    own = Address(data_bucket, f"batch/{model}/")
    for address in addresses:
        if address.bucket != own.bucket or not address.key.startswith(own.key):
            raise BatchRefused(
                f"{address} is not under {own}: model {model!r} runs on a fleet, whose workers may "
                "read and write only there; copy the input there, or write there and copy it"
            )


def overlaps(output: Address, found: Address) -> bool:
    """Return whether an output prefix and an input share an object, now or later."""
    if output.bucket != found.bucket:
        return False
    under_input = found.is_prefix and output.key.startswith(found.key)
    return under_input or found.key.startswith(output.key)


@dataclass(frozen=True, slots=True)
class JobKeys:
    """Keys under a job's output prefix."""

    prefix: str

    def part(self, shard: int, extension: str, piece: int = 0) -> str:
        """Return the key of an output part; a shard that ran short of time has several pieces."""
        return f"{self.prefix}parts/{_piece_name(shard, piece)}.{extension}"

    def pieces(self, shard: int) -> str:
        """Return the prefix of the keys of all pieces of a shard but the first."""
        return f"{self.prefix}parts/{shard:05d}-"

    def errors_in(self, shard: int) -> str:
        """Return the prefix of the keys of a shard's rejected records."""
        return f"{self.prefix}errors/{shard:05d}"

    def counts(self, shard: int) -> str:
        """Return the key of a shard's counts, beside its part."""
        return f"{self.prefix}parts/{shard:05d}.json"

    def errors_of(self, shard: int, piece: int = 0) -> str:
        """Return the key of a shard's rejected records."""
        return f"{self.prefix}errors/{_piece_name(shard, piece)}.jsonl"

    def scan(self, number: int) -> str:
        """Return the key of a scan's result."""
        return f"{self.prefix}plan/scans/{number:05d}.json"

    def output(self, extension: str) -> str:
        """Return the key of the one output file."""
        return f"{self.prefix}output.{extension}"

    def remaining(self, attempt: int) -> str:
        """Return the key of the shards that a retry runs."""
        return f"{self.prefix}plan/remaining-{attempt}.jsonl"

    @property
    def errors(self) -> str:
        """Key of all rejected records."""
        return f"{self.prefix}errors.jsonl"

    @property
    def summary(self) -> str:
        """Key of the summary."""
        return f"{self.prefix}summary.json"

    @property
    def owner(self) -> str:
        """Key of the claim that names the job which owns the prefix."""
        return f"{self.prefix}plan/job.json"

    @property
    def plan(self) -> str:
        """Key of the layout."""
        return f"{self.prefix}plan/plan.json"

    @property
    def estimate(self) -> str:
        """Key of the estimate."""
        return f"{self.prefix}plan/estimate.json"

    @property
    def files(self) -> str:
        """Key of the list of input files, where the lines of the shards cannot hold them."""
        return f"{self.prefix}plan/files.jsonl"

    @property
    def footers(self) -> str:
        """Key of the reduced footers of Parquet files."""
        return f"{self.prefix}plan/footers.jsonl"

    @property
    def ranges(self) -> str:
        """Key of the ranges to scan."""
        return f"{self.prefix}plan/ranges.jsonl"

    @property
    def outline(self) -> str:
        """Key of the outline: shards known before the scans, and files that are still to be cut."""
        return f"{self.prefix}plan/outline.jsonl"

    @property
    def shards(self) -> str:
        """Key of the list of shards."""
        return f"{self.prefix}plan/shards.jsonl"


def _piece_name(shard: int, piece: int) -> str:
    return f"{shard:05d}-{piece}" if piece else f"{shard:05d}"
