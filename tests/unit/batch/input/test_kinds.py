"""What kind of file an input is."""

import bz2
import gzip
import struct
from typing import Any

import pytest
import zstandard

from serval.batch.input.decompress import decompress, text_head
from serval.batch.input.find import Kind, detect_kind
from serval.batch.job.keys import Source
from serval.batch.job.options import JobOptions
from serval.errors import BatchRefused
from serval.models.signature import TensorSpec

X = TensorSpec("x", "FP32", (-1, 2))
IMAGE = TensorSpec("image", "BYTES", (-1, 1))
SKIPPED = struct.pack("<II", 0x184D2A50, 4) + bytes(4)
"""A frame that holds no data, as pzstd writes it."""
CSV, JSONL = b"a,b\n1,2\n", b'{"x": [1, 2]}\n'


PACKERS: list[Any] = [
    ("gzip", gzip.compress),
    ("zstd", zstandard.compress),
    ("bz2", bz2.compress),
]


def kind(key: str, head: bytes, spec: TensorSpec = X, **options: Any) -> Kind:
    source = Source("bucket", key, len(head), "etag")
    return detect_kind(source, head, JobOptions.from_json(options), [spec], text_head)


@pytest.mark.parametrize(
    ("key", "head", "found"),
    [
        ("a/rows.csv", CSV, Kind("csv")),
        ("a/rows.TSV", CSV, Kind("csv")),
        ("a/rows.csv.gz", gzip.compress(CSV, mtime=0), Kind("csv", "gzip")),
        ("a/rows.jsonl.zst", zstandard.compress(JSONL), Kind("jsonl", "zstd")),
        ("a/rows.ndjson", JSONL, Kind("jsonl")),
        ("a/rows", JSONL, Kind("jsonl")),
        ("a/rows", CSV, Kind("csv")),
        ("a.b/rows", CSV, Kind("csv")),
        ("rows.csv", b"PAR1....", Kind("parquet")),
        ("rows.csv.bz2", bz2.compress(CSV), Kind("csv", "bz2")),
        ("rows.jsonl.zstd", zstandard.compress(JSONL), Kind("jsonl", "zstd")),
        ("rows.zstd", zstandard.compress(JSONL), Kind("jsonl", "zstd")),
        ("rows.packed", gzip.compress(JSONL, mtime=0), Kind("jsonl", "gzip")),
        ("rows", bz2.compress(JSONL), Kind("jsonl", "bz2")),
        ("rows.csv.zst", SKIPPED + zstandard.compress(CSV), Kind("csv", "zstd")),
        ("rows.csv", gzip.compress(CSV, mtime=0), Kind("csv", "gzip")),
        ("part-0000.snappy.parquet", b"PAR1", Kind("parquet")),
    ],
)
def test_a_file_is_what_its_first_bytes_and_its_name_say(
    key: str, head: bytes, found: Kind
) -> None:
    assert kind(key, head) == found


def test_what_is_chosen_is_not_questioned() -> None:
    assert kind("rows.data", CSV, format="csv") == Kind("csv")
    assert kind("rows.csv", CSV, compression="none") == Kind("csv")


def test_objects_go_to_a_model_of_bytes() -> None:
    assert kind("cat.JPG", b"\xff\xd8", IMAGE) == Kind("objects")
    assert kind("cat.bin", gzip.compress(b"x"), IMAGE) == Kind("objects")
    with pytest.raises(BatchRefused, match="objects go to a model with one input"):
        kind("cat.jpg", b"\xff\xd8")


@pytest.mark.parametrize(
    ("key", "head", "options", "reason"),
    [
        ("rows.xlsx", b"PK\3\4\0", {}, "begins with bytes 50 4b 03 04"),
        ("rows.data", CSV, {}, "type 'data' is not known"),
        ("rows.parquet", CSV, {}, "it is called Parquet, and begins with bytes"),
        ("rows.csv.gz", CSV, {}, "it is called gzip, and begins with bytes"),
        ("rows.parquet", b"PAR1", {"compression": "gzip"}, "parquet compressed with gzip"),
    ],
)
def test_what_is_not_known_is_refused(
    key: str, head: bytes, options: dict[str, str], reason: str
) -> None:
    with pytest.raises(BatchRefused, match=reason):
        kind(key, head, **options)


@pytest.mark.parametrize(("name", "pack"), PACKERS)
@pytest.mark.parametrize("piece", [1, 7, 4096])
def test_compressed_files_may_be_several_in_one(name: Any, pack: Any, piece: int) -> None:
    text = b"".join(b"row %d\n" % number for number in range(3_000))
    packed = pack(text) + pack(b"") + pack(b"the end\n")
    pieces = [packed[start : start + piece] for start in range(0, len(packed), piece)]
    found = list(decompress(pieces, name, 1_000))
    assert b"".join(found) == text + b"the end\n"
    assert max(map(len, found)) <= 1_000


@pytest.mark.parametrize(("name", "pack"), PACKERS)
def test_a_little_that_stands_for_much_does_not_fill_memory(name: Any, pack: Any) -> None:
    bomb = pack(bytes(64 * 2**20))
    largest = total = 0
    for piece in decompress([bomb], name, 2**20):
        largest, total = max(largest, len(piece)), total + len(piece)
    assert (largest, total) == (2**20, 64 * 2**20)


@pytest.mark.parametrize("piece", [1, 7, 4096])
@pytest.mark.parametrize(
    ("name", "packed"),
    [
        ("gzip", gzip.compress(CSV, mtime=0) + bytes(600)),
        ("gzip", gzip.compress(CSV[:3], mtime=0) + bytes(9) + gzip.compress(CSV[3:], mtime=0)),
        ("zstd", SKIPPED + zstandard.compress(CSV) + SKIPPED),
    ],
    ids=["zeros behind", "zeros between", "frames to be skipped"],
)
def test_what_fills_up_a_file_is_passed_over(name: Any, packed: bytes, piece: int) -> None:
    pieces = [packed[start : start + piece] for start in range(0, len(packed), piece)]
    assert b"".join(decompress(pieces, name, 1_000)) == CSV


LONG = zstandard.ZstdCompressionParameters(window_log=30, enable_ldm=True)
ROWS = [b"row %d,%d\n" % (n, n * n) * 5 for n in range(3_000)]


def long_window() -> bytes:
    packer = zstandard.ZstdCompressor(compression_params=LONG).compressobj()
    return packer.compress(CSV) + packer.flush()


def with_dictionary() -> bytes:
    known = zstandard.train_dictionary(2_000, ROWS)
    return zstandard.ZstdCompressor(dict_data=known).compress(CSV)


@pytest.mark.parametrize(
    ("name", "packed", "reason"),
    [
        ("gzip", gzip.compress(CSV, mtime=0) + b"\n", "behind its gzip stand other bytes: 0a"),
        ("gzip", CSV, "it is not compressed, and begins with 61 2c 62 0a: gzip expected"),
        ("zstd", gzip.compress(CSV, mtime=0), "it is compressed with gzip, and begins with 1f 8b"),
        ("zstd", long_window(), "a window of over 128 MiB"),
        ("zstd", with_dictionary(), "it was compressed with a dictionary"),
        ("bz2", bz2.compress(CSV)[:-5], "its bz2 is cut short"),
        ("bz2", bz2.compress(CSV)[:9] + b"damaged", "its bz2 is damaged"),
    ],
)
def test_why_a_file_cannot_be_decompressed_is_said(name: Any, packed: bytes, reason: str) -> None:
    with pytest.raises(BatchRefused, match=reason):
        list(decompress([packed], name, 1_000))
