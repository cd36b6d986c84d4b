"""Output parts while they are written."""

from dataclasses import dataclass, field

from serval.batch.input.parquet.footer import MAGIC, NotParquet, read_footer
from serval.batch.input.parquet.joined_footer import JoinedFooter
from serval.batch.job.job import Piece
from serval.batch.job.ports import PieceSink
from serval.batch.shard.outputs import OutputFormat
from serval.errors import BatchRefused


@dataclass(slots=True)
class ParquetPart:
    """Joins the Parquet files of a shard's blocks into one part."""

    inner: PieceSink
    _footer: JoinedFooter = field(default_factory=JoinedFooter)
    _at: int = 0

    def write(self, data: bytes) -> None:
        """Take a whole file: write its row groups, and keep its footer."""
        if not data:
            return
        footer = read_footer(data, len(data))
        if not self._at:
            self._put(MAGIC)
        try:
            self._footer.add(footer, self._at - len(MAGIC))
        except NotParquet as problem:
            raise BatchRefused(f"a part cannot be written: {problem}") from None
        self._put(data[len(MAGIC) : footer.body_end])

    def close(self) -> None:
        """Write the footer of all row groups, and complete the object."""
        if self._at:
            self._put(self._footer.end())
        self.inner.close()

    def abort(self) -> None:
        """Discard the object."""
        self.inner.abort()

    def piece(self) -> Piece | None:
        """Describe the object; None if nothing was written."""
        return self.inner.piece()

    def _put(self, data: bytes) -> None:
        self.inner.write(data)
        self._at += len(data)


def part_sink(sink: PieceSink, kind: OutputFormat) -> PieceSink:
    """Return the sink for the blocks of a format."""
    return ParquetPart(sink) if kind == "parquet" else sink
