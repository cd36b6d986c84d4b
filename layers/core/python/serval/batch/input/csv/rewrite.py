"""Rewriting of CSV with another encoding or other quotes as RFC 4180 in UTF-8.

Everything after this reads one form only. A file that is rewritten is one shard, and offsets in it
are those of the rewritten text.
"""

import codecs
import csv
import io
from collections.abc import Iterable, Iterator

from serval.batch.job.options import CsvOptions
from serval.errors import BatchRefused

GATHERED_CHARACTERS = 262_144


def rewrite_csv(pieces: Iterable[bytes], options: CsvOptions, delimiter: str) -> Iterator[bytes]:
    """Rewrite a text as RFC 4180 in UTF-8.

    Raises
    ------
    BatchRefused
        If it is not in the chosen encoding, or its quotes are not as chosen.
    """
    text = _decode(pieces, options.encoding)
    if (options.quote, options.escape) != ('"', None):
        text = _requote(_lines(text), options, delimiter)
    return (piece.encode() for piece in text)


def _decode(pieces: Iterable[bytes], encoding: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    at = 0
    try:
        for piece in pieces:
            yield decoder.decode(piece)
            at += len(piece)
        yield decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise BatchRefused(
            f"near byte {at + error.start}: the text is not {encoding}, as csv.encoding says"
        ) from None


def _lines(pieces: Iterable[str]) -> Iterator[str]:
    held = ""
    for piece in pieces:
        *whole, held = (held + piece).split("\n")
        yield from (f"{line}\n" for line in whole)
    if held:
        yield held


def _requote(lines: Iterator[str], options: CsvOptions, delimiter: str) -> Iterator[str]:
    """Write every field in double quotes; blank lines stay blank."""
    reader = csv.reader(
        lines, delimiter=delimiter, quotechar=options.quote, escapechar=options.escape, strict=True
    )
    out = io.StringIO()
    writer = csv.writer(
        out, delimiter=delimiter, quoting=csv.QUOTE_ALL, lineterminator="\n", doublequote=True
    )
    try:
        for record in reader:
            if record:
                writer.writerow(record)
            else:
                out.write("\n")
            if out.tell() >= GATHERED_CHARACTERS:
                yield out.getvalue()
                out.seek(0)
                out.truncate()
    except csv.Error as error:
        yield out.getvalue()
        raise BatchRefused(
            f"line {reader.line_num}: its quotes are not as csv.quote and csv.escape say: {error}"
        ) from None
    yield out.getvalue()
