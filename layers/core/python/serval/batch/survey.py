"""A look at a job's input before anything runs: which files, of what kind, laid out how."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from serval.batch.columns import input_columns
from serval.batch.decompression import decompressed
from serval.batch.detection import HEAD_BYTES, Kind
from serval.batch.finding import Finder
from serval.batch.keys import Address
from serval.batch.options import JobOptions
from serval.batch.parquet_footer import Footer
from serval.batch.parquet_input import choose_columns, footer_of
from serval.batch.ports import Objects, Source
from serval.batch.records.csv_records import CsvRecords
from serval.batch.records.jsonl_records import JsonlRecords
from serval.batch.records.record_ends import record_ends
from serval.batch.records.rows import Rows
from serval.batch.tabular import Table, mark_bytes, read_table
from serval.errors import BatchRefused
from serval.signatures import Signature

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What the input is."""

    sources: Sequence[Source]
    kind: Kind
    row_bytes: float
    """Of a record, in a sample; of text as it is when it is no longer compressed."""
    inflation: float = 1.0
    """How many bytes of text come of a compressed one, in the sample."""
    table: Table | None = None
    """Of CSV."""
    footer: Footer | None = None
    """Of the first Parquet file."""
    inputs: dict[str, tuple[str, ...]] = field(default_factory=dict)
    lists: dict[str, str] = field(default_factory=dict)
    columns: tuple[str, ...] = ()

    @property
    def size_bytes(self) -> int:
        """Give the size of all files."""
        return sum(source.size_bytes for source in self.sources)

    @property
    def estimated_rows(self) -> int:
        """Estimate the number of rows: of objects it is their number."""
        if self.kind.format == "objects":
            return len(self.sources)
        return max(1, round(self.size_bytes * self.inflation / self.row_bytes))


@dataclass(frozen=True, slots=True)
class Surveyor:
    """Looks at inputs."""

    objects: Objects

    def survey(
        self,
        addresses: Sequence[Address],
        version_id: str | None,
        options: JobOptions,
        signature: Signature,
    ) -> Survey:
        """Look at the files, at the first one closely.

        Raises
        ------
        BatchRefused
            If they cannot be the input of this model.
        """
        finder = Finder(self.objects)
        sources = finder.find(addresses, version_id)
        kind = finder.kind(sources, options, signature)
        if kind.format == "objects":
            mean = sum(source.size_bytes for source in sources) / len(sources)
            return Survey(sources=sources, kind=kind, row_bytes=max(1.0, mean))
        if kind.format == "parquet":
            return self._parquet(sources, kind, options, signature)
        return named(sources[0], lambda: self._text(sources, kind, options, signature))

    def head(self, source: Source, kind: Kind) -> tuple[bytes, float, bool]:
        """Give how a file's text begins, how compressed it is, and whether that is all of it."""
        head = Finder(self.objects).head(source)
        whole = len(head) == source.size_bytes
        if kind.compression == "none":
            return head, 1.0, whole
        text = b""
        try:
            for piece in decompressed([head], kind.compression, HEAD_BYTES):
                text += piece
                if len(text) >= 4 * HEAD_BYTES:
                    break
        except BatchRefused:
            if whole or not text:
                raise
        return text, max(1.0, len(text) / max(1, len(head))), whole and len(text) < 4 * HEAD_BYTES

    def _parquet(
        self, sources: list[Source], kind: Kind, options: JobOptions, signature: Signature
    ) -> Survey:
        footer = footer_of(self.objects, sources[0])
        chosen = named(
            sources[0], lambda: choose_columns(signature.inputs, footer.columns, options.columns)
        )
        return Survey(
            sources=sources,
            kind=kind,
            row_bytes=max(1.0, sources[0].size_bytes / max(1, footer.rows)),
            footer=footer,
            inputs=dict(chosen.inputs),
            lists=dict(chosen.lists),
            columns=tuple(column.name for column in footer.columns),
        )

    def _text(
        self, sources: list[Source], kind: Kind, options: JobOptions, signature: Signature
    ) -> Survey:
        head, inflation, whole = self.head(sources[0], kind)
        table, inputs = None, {}
        start = mark_bytes(head)
        if kind.format == "csv":
            mapped = [column for own in options.columns.values() for column in own]
            table = read_table(head, options.csv, signature.inputs, mapped, whole=whole)
            planned = input_columns(signature.inputs, table.columns, options.columns)
            inputs = {each.spec.name: each.columns for each in planned}
            start = table.start
        sample = complete(head[start:], quoted=kind.format == "csv", whole=whole)
        if table is not None:
            planned = input_columns(signature.inputs, table.columns, options.columns)
            rows = CsvRecords(table.columns, planned, table.delimiter).read(sample, 0, start)
        else:
            rows = JsonlRecords(signature.inputs).read(sample, 0, start)
        check_sample(rows)
        counted = rows.count + len(rows.rejects)
        return Survey(
            sources=sources,
            kind=kind,
            row_bytes=max(1.0, len(sample) / counted if counted else float(len(head))),
            inflation=inflation,
            table=table,
            inputs=inputs,
            columns=table.columns if table else (),
        )


def named(source: Source, look: Callable[[], Found]) -> Found:
    """Name the file in what is refused of it."""
    try:
        return look()
    except BatchRefused as refused:
        text = str(refused)
        if str(source.address) in text:
            raise
        raise BatchRefused(f"{source.address}: {text}") from None


def complete(text: bytes, *, quoted: bool, whole: bool) -> bytes:
    """Leave out a last record that may not be there in full."""
    if whole:
        return text
    ends = record_ends(text, quoted=quoted)
    return text[: int(ends[-1])] if len(ends) else b""


def check_sample(rows: Rows) -> None:
    """Refuse a file none of whose first records fits.

    Raises
    ------
    BatchRefused
        With the reason of the first.
    """
    if rows.rejects and not rows.count:
        first = rows.rejects[0]
        raise BatchRefused(
            f"none of its first {len(rows.rejects)} records fits; the first: {first.reason}"
        )
