"""Survey of a job's input before anything runs: its files, their kind and their columns."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from serval.batch.input.columns import ColumnChoice, InputColumns, match_columns
from serval.batch.input.csv.dialect import CsvTable, check_header, read_table
from serval.batch.input.csv.records import CsvRecords
from serval.batch.input.csv.rewrite import rewrite_csv
from serval.batch.input.decompress import decompress, text_head
from serval.batch.input.find import HEAD_BYTES, Finder, Kind
from serval.batch.input.jsonl.json_array import check_alike, check_lines, first_lines, is_array
from serval.batch.input.jsonl.records import JsonlRecords
from serval.batch.input.parquet.columns import ChosenColumns, choose_columns, read_object_footer
from serval.batch.input.parquet.footer import Footer
from serval.batch.input.partition_columns import (
    NO_PARTITION,
    check_partitions,
    partition_names,
    partition_of,
)
from serval.batch.input.records import (
    Records,
    Rows,
    drop_incomplete,
    mark_length,
    split_first_record,
)
from serval.batch.job.keys import Address, Source
from serval.batch.job.options import PLAIN_CSV, CsvOptions, JobOptions
from serval.batch.job.ports import BatchObjects
from serval.errors import BatchRefused
from serval.models.signature import Signature

Found = TypeVar("Found")
AT_ONCE = 16
"""Files that are looked at concurrently."""
HEADERS_READ = 100
"""Files whose headers are compared with the first one's before anything runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What the input is."""

    sources: Sequence[Source]
    kind: Kind
    row_bytes: float
    """Mean size of a record in a sample, decompressed."""
    inflation: float = 1.0
    """Decompressed size of the sample by its compressed size."""
    table: CsvTable | None = None
    array: bool = False
    """Whether each JSON file is one array of records."""
    footer: Footer | None = None
    """Of the first Parquet file."""
    inputs: dict[str, tuple[str, ...]] = field(default_factory=dict)
    lists: dict[str, str] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    partitions: tuple[str, ...] = ()
    """Columns whose values are in the keys of the files."""
    matches: tuple[InputColumns, ...] = ()
    """How the columns of each input were found; empty if there are no columns."""

    @property
    def size_bytes(self) -> int:
        """Size of all files."""
        return sum(source.size_bytes for source in self.sources)

    @property
    def estimated_rows(self) -> int:
        """Estimated number of rows; for objects, their number."""
        if self.kind.format == "objects":
            return len(self.sources)
        return max(1, round(self.size_bytes * self.inflation / self.row_bytes))


@dataclass(frozen=True, slots=True)
class Surveyor:
    """Surveys inputs."""

    objects: BatchObjects

    def survey(
        self,
        addresses: Sequence[Address],
        version_id: str | None,
        options: JobOptions,
        signature: Signature,
        features: Mapping[str, Sequence[str]],
    ) -> Survey:
        """Survey the files, the first one closely.

        Raises
        ------
        BatchRefused
            If they cannot be the input of this model.
        """
        choice = ColumnChoice(options.columns, features, options.positional)
        finder = Finder(self.objects, text_head)
        sources = finder.find(addresses, version_id)
        kind = finder.kind(sources, options, signature)
        if kind.format == "objects":
            mean = sum(source.size_bytes for source in sources) / len(sources)
            return Survey(sources=sources, kind=kind, row_bytes=max(1.0, mean))
        partitions: tuple[str, ...] = ()
        if options.partitions == "auto" and any(address.is_prefix for address in addresses):
            partitions = partition_names(sources, addresses) if kind.format != "jsonl" else ()
        if kind.format == "parquet":
            return self._parquet(sources, kind, choice, signature, partitions)
        seen = name_file(
            sources[0],
            lambda: self._text(sources, kind, options, choice, signature, partitions),
        )
        if seen.table is not None and seen.table.header:
            self._check_headers(seen, seen.table, options)
        if seen.kind.format == "jsonl":
            self._check_arrays(seen, signature)
        return seen

    def _check_headers(self, seen: Survey, table: CsvTable, options: JobOptions) -> None:
        """Refuse a file with another header; shards check the files beyond the first hundred."""

        def look(source: Source) -> None:
            head, _, whole = self.head(source, seen.kind, options.csv)
            quoted = options.csv.quoted_newlines == "auto"
            record, rest = split_first_record(iter([head[mark_length(head) :]]), quoted=quoted)
            if whole or next(rest, None) is not None:
                check_header(record, table.delimiter, table.columns)

        self._each(seen, look)

    def _check_arrays(self, seen: Survey, signature: Signature) -> None:
        """Refuse a file that is an array where the first is not, or the other way round."""

        def look(source: Source) -> None:
            head, _, _ = self.head(source, seen.kind)
            check_alike(head[mark_length(head) :], signature.inputs, array=seen.array)

        self._each(seen, look)

    def _each(self, seen: Survey, look: Callable[[Source], None]) -> None:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(
                pool.map(
                    lambda one: name_file(one, lambda: look(one)), seen.sources[1:HEADERS_READ]
                )
            )

    def head(
        self, source: Source, kind: Kind, options: CsvOptions = PLAIN_CSV
    ) -> tuple[bytes, float, bool]:
        """Return the start of a file's text, its inflation, and whether that is the whole file."""
        head = Finder(self.objects).head(source)
        whole = len(head) == source.size_bytes
        changed = kind.format == "csv" and options.rewritten
        if kind.compression == "none" and not changed:
            return head, 1.0, whole
        text, ended = gather_start(decompress([head], kind.compression, HEAD_BYTES), whole=whole)
        whole = whole and ended
        if changed:
            text = text if whole else text[: text.rfind(b"\n") + 1]
            text, _ = gather_start(rewrite_csv([text], options, options.delimiter), whole=whole)
        return text, max(1.0, len(text) / max(1, len(head))), whole

    def _parquet(
        self,
        sources: list[Source],
        kind: Kind,
        choice: ColumnChoice,
        signature: Signature,
        partitions: tuple[str, ...],
    ) -> Survey:
        footer = read_object_footer(self.objects, sources[0])
        columns = tuple(column.name for column in footer.columns)

        def choose() -> ChosenColumns:
            check_partitions(partitions, columns)
            return choose_columns(signature.inputs, footer.columns, choice, partitions)

        chosen = name_file(sources[0], choose)
        return Survey(
            sources=sources,
            kind=kind,
            row_bytes=max(1.0, sources[0].size_bytes / max(1, footer.rows)),
            footer=footer,
            inputs=dict(chosen.inputs),
            lists=dict(chosen.lists),
            matches=chosen.matches,
            columns=columns,
            partitions=partitions,
        )

    def _text(
        self,
        sources: list[Source],
        kind: Kind,
        options: JobOptions,
        choice: ColumnChoice,
        signature: Signature,
        partitions: tuple[str, ...],
    ) -> Survey:
        head, inflation, whole = self.head(sources[0], kind, options.csv)
        table: CsvTable | None = None
        matches: list[InputColumns] = []
        start = mark_length(head)
        text, array = head, False
        records: Records = JsonlRecords(signature.inputs)
        quoted = kind.format == "csv" and options.csv.quoted_newlines == "auto"
        if kind.format == "csv":
            table = read_table(head, options.csv, signature.inputs, choice.names, whole=whole)
            if partitions:
                check_partitions(partitions, table.columns)
            matches = match_columns(
                signature.inputs,
                table.columns,
                choice,
                named=table.named,
                partitions=partitions,
                texts=table.texts,
            )
            records = CsvRecords(
                table.columns,
                matches,
                table.delimiter,
                quoted=quoted,
                options=options.csv,
                partition=partition_of(sources[0], partitions) if partitions else NO_PARTITION,
            )
            start = table.start
        else:
            array = is_array(head[start:], signature.inputs)
            if array:
                text = head[:start] + first_lines(head[start:], start, whole=whole)
            else:
                check_lines(head[start:], whole=whole)
        sample = drop_incomplete(text[start:], quoted=quoted, whole=whole)
        rows = records.read(sample, 0, start)
        check_sample(rows)
        counted = rows.count + len(rows.rejects)
        return Survey(
            sources=sources,
            kind=kind,
            row_bytes=max(1.0, len(sample) / counted if counted else float(len(head))),
            inflation=inflation,
            table=table,
            array=array,
            inputs={each.spec.name: each.columns for each in matches},
            columns=table.columns if table else (),
            partitions=partitions,
            matches=tuple(matches),
        )


def gather_start(pieces: Iterable[bytes], *, whole: bool) -> tuple[bytes, bool]:
    """Gather the start of a text; also return whether it is complete.

    Parameters
    ----------
    whole
        Whether the pieces are the whole file, so that a truncated end is an error.
    """
    text = b""
    try:
        for piece in pieces:
            text += piece
            if len(text) >= 4 * HEAD_BYTES:
                return text, False
    except BatchRefused:
        if whole or not text:
            raise
    return text, True


def name_file(source: Source, look: Callable[[], Found]) -> Found:
    """Run a check and add the file's address to its refusal."""
    try:
        return look()
    except BatchRefused as refused:
        text = str(refused)
        if str(source.address) in text:
            raise
        raise BatchRefused(f"{source.address}: {text}") from None


def check_sample(rows: Rows) -> None:
    """Refuse a file none of whose first records fits.

    Raises
    ------
    BatchRefused
        With the reason of the first.
    """
    if rows.rejects and not rows.count:
        said = "its first record does not fit"
        if (tried := len(rows.rejects)) > 1:
            said = f"none of its first {tried} records fits; the first"
        raise BatchRefused(f"{said}: {rows.rejects[0].reason}")
