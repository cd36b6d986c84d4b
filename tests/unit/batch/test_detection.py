"""What kind of file an input is."""

import gzip
from typing import Any

import pytest
import zstandard

from serval.batch.decompression import decompressed
from serval.batch.detection import detect
from serval.batch.kinds import Kind
from serval.batch.options import JobOptions
from serval.batch.ports import Source
from serval.errors import BatchRefused
from serval.signatures import TensorSpec

X = TensorSpec("x", "FP32", (-1, 2))
IMAGE = TensorSpec("image", "BYTES", (-1, 1))
CSV, JSONL = b"a,b\n1,2\n", b'{"x": [1, 2]}\n'


def kind(key: str, head: bytes, spec: TensorSpec = X, **options: Any) -> Kind:
    source = Source("bucket", key, len(head), "etag")
    return detect(source, head, JobOptions.from_json(options), [spec])


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


@pytest.mark.parametrize(("name", "pack"), [("gzip", gzip.compress), ("zstd", zstandard.compress)])
@pytest.mark.parametrize("piece", [1, 7, 4096])
def test_compressed_files_may_be_several_in_one(name: Any, pack: Any, piece: int) -> None:
    text = b"".join(b"row %d\n" % number for number in range(3_000))
    packed = pack(text) + pack(b"") + pack(b"the end\n")
    pieces = [packed[start : start + piece] for start in range(0, len(packed), piece)]
    found = list(decompressed(pieces, name, 1_000))
    assert b"".join(found) == text + b"the end\n"
    assert max(map(len, found)) <= 1_000


@pytest.mark.parametrize(("name", "pack"), [("gzip", gzip.compress), ("zstd", zstandard.compress)])
def test_a_little_that_stands_for_much_does_not_fill_memory(name: Any, pack: Any) -> None:
    bomb = pack(bytes(64 * 2**20))
    largest = total = 0
    for piece in decompressed([bomb], name, 2**20):
        largest, total = max(largest, len(piece)), total + len(piece)
    assert (largest, total) == (2**20, 64 * 2**20)
