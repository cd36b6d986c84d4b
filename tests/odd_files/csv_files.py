"""CSV files: as programs and people write them, and damaged."""

import bz2
import gzip
import struct
from random import Random
from typing import Any

import zstandard

from tests.odd_files.csv_reading import records_of
from tests.odd_files.files import OddFile

NOTES = ("", "a", "é", "a b", " ", "🙂", "it's", "NA", "0", "#", "a\rb", "ﬀ\u2028")
QUOTED = ('"a\nb"', '"a""b"', '","', '";"', '"a\r\nb"', '""', '"\r"', '"|"', '"x""\ry"')
BAD = ("one", "", " ", "NA", "1.5.2", "1e400", "nan", "0x1", "1_0", " 7", "٣", "1,5")
ODD_RECORDS = (
    "",
    "\r",
    "Total",
    "\x1a",
    "1",
    "{d}",
    "{d}{d}{d}{d}{d}{d}{d}",
    "a{d}b",
    '""',
    " ",
    "#c",
)
SKIPPED_FRAME = struct.pack("<II", 0x184D2A53, 4) + b"skip"
PACKED: dict[str, Any] = {
    "": lambda body: body,
    ".gz": gzip.compress,
    ".zst": zstandard.compress,
    ".zstd": lambda body: SKIPPED_FRAME + zstandard.compress(body),
    ".bz2": bz2.compress,
    ".packed": lambda body: gzip.compress(body) + bytes(300),
}
DAMAGE = (
    b'"',
    b"\n",
    b",",
    b";",
    b"\r",
    b"\0",
    b"\xff",
    b"\x1a",
    b"\xef\xbb\xbf",
    b'""',
    b" ",
    b"",
)


def csv_file(random: Random) -> OddFile:
    """Make a file: half of them odd, half of them damaged as well."""
    delimiter = random.choice(",,,;\t|")
    csv: dict[str, Any] = {"header": True}
    if random.random() < 0.5:
        csv["delimiter"] = delimiter
    for name, value in (("ragged", "pad"), ("empty", "reject"), ("null_values", ["NA"])):
        if random.random() < 0.2:
            csv[name] = value
    if delimiter != "," and random.random() < 0.2:
        csv |= {"decimal": ",", "delimiter": delimiter}
    text = written(random, delimiter)
    body = text.encode()
    if random.random() < 0.5:
        csv["delimiter"] = delimiter
        body = damaged(random, body)
    if random.random() < 0.15:
        body = b"\xef\xbb\xbf" + body
    records = expected(body, delimiter, csv)
    if random.random() < 0.1 and not body.startswith(b"\xef\xbb\xbf"):
        body, records = encoded(body, records, csv)
    ending = random.choice([*PACKED, *[""] * 10])
    name = f"rows.csv{ending}" if ending != ".packed" else "rows"
    return OddFile(name, PACKED[ending](body), records, {"csv": csv, "format": "csv"})


def expected(body: bytes, delimiter: str, csv: dict[str, Any]) -> Any:
    """Read a file independently; bytes that are no UTF-8 become what makes a record unfit."""
    text = body.decode("utf-8", "replace").removeprefix("\ufeff")
    return records_of(text, delimiter, csv)


def encoded(body: bytes, records: Any, csv: dict[str, Any]) -> tuple[bytes, Any]:
    """Write a file in UTF-16, if it is text at all."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return body, records
    csv["encoding"] = "utf-16"
    return text.encode("utf-16"), records


def written(random: Random, delimiter: str) -> str:
    """Write a table, of which some records are not as they should be."""
    newline = random.choice(["\n", "\n", "\r\n"])
    columns = [
        "x_0",
        "x_1",
        *random.sample(["id", "note", "", "X", "x_2", "0"], random.randint(0, 4)),
    ]
    random.shuffle(columns)
    header = [random.choice([name, name, name.upper()]) for name in columns]
    odd = random.choice([0.0, 0.0, 0.02, 0.3])
    lines = [delimiter.join(header)]
    for number in range(random.choice([0, 1, 5, 60, 400])):
        if random.random() < odd:
            lines.append(random.choice(ODD_RECORDS).replace("{d}", delimiter))
            continue
        fields = [_cell(random, name, number, odd) for name in columns]
        lines.append(delimiter.join(fields) + (delimiter if random.random() < odd / 4 else ""))
    end = random.choice([newline, newline, "", f"{newline}\x1a", f"{newline}{newline}"])
    return newline.join(lines) + end


def _cell(random: Random, name: str, number: int, odd: float) -> str:
    if not name.startswith("x_"):
        return str(number) if name == "id" else random.choice(NOTES + QUOTED)
    if random.random() < odd / 2:
        return random.choice(BAD)
    return random.choice([f"{number}", f"{number}.25", f"-{number}", f"{number}e-3", f'"{number}"'])


def damaged(random: Random, body: bytes) -> bytes:
    """Change a few bytes, or cut the file off."""
    for _ in range(random.randint(1, 4)):
        at = random.randint(0, len(body))
        cut = random.choice([0, 0, 1, 1, 30])
        body = body[:at] + random.choice(DAMAGE) + body[at + cut :]
    return body[: random.randint(0, len(body))] if random.random() < 0.2 else body
