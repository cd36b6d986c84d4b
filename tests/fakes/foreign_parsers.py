"""Every parser of strangers' bytes: good inputs for each, and what is done with one."""

import bz2
import gzip
import hashlib
import io
import json
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import zstandard
from onnx import TensorProto, helper

from serval.batch.input.columns import InputColumns
from serval.batch.input.csv.dialect import read_table
from serval.batch.input.csv.records import CsvRecords
from serval.batch.input.decompress import decompress
from serval.batch.input.find import FoundCompression
from serval.batch.input.jsonl.records import JsonlRecords
from serval.batch.input.parquet.footer import NotParquet, read_footer
from serval.batch.input.parquet.needs import Needs
from serval.batch.input.parquet.records import ParquetRecords
from serval.batch.job.options import JobOptions
from serval.batch.shard.outputs import PartFormat
from serval.bundles.bundle import read_bundle
from serval.bundles.cron import Cron, InvalidCron
from serval.bundles.manifest import Manifest, read_manifest
from serval.bundles.verification.deployment import Deployment
from serval.bundles.verification.verify_bundle import verify_bundle
from serval.errors import (
    BatchRefused,
    BundleRefused,
    InvalidInputs,
    InvalidRequest,
    UnsupportedFeature,
)
from serval.fleets.declaration import read_fleets
from serval.foreign import NotAnUpload, ObjectCreated
from serval.inference.runtimes import ArtifactUnreadable
from serval.inference.runtimes.onnx import OnnxModel
from serval.models.signature import Signature, TensorSpec
from serval.models.tensor import Tensor
from serval.models.version import BundleFile
from serval.pipelines.expressions import ExpressionWrong
from serval.protocol.delimited import read_npy
from serval.protocol.request import read_request
from serval.requests.callbacks.urls import read_callback_url
from serval.requests.submit.put_request import read_put_request
from serval.rollouts.golden.requests import read_golden
from serval.tasks.files import TaskUnreadable
from serval.tasks.image.decode import decode_image
from tests.fakes.bodies_of_rows import arrays, csv_of_a_call, row_bodies, rows
from tests.fakes.handlers import recorded
from tests.fakes.images import image_files
from tests.fakes.inference import graph, plus
from tests.fakes.parsed_texts import CRONS, EXPRESSIONS, URLS, evaluated, lenient
from tests.fakes.served import FLEETS, SERVED, on_fleet
from tests.fakes.sounds import hear, sound_files
from tests.fakes.tokenizer_files import OF_TEXT

ROOT = Path(__file__).parents[2]
SPECS = (TensorSpec("x", "FP32", (-1, 2)), TensorSpec("label", "BYTES", (-1, 1)))
COLUMNS = {"x": ("x_0", "x_1"), "label": ("label",)}
INPUTS = [InputColumns(spec, COLUMNS[spec.name]) for spec in SPECS]
OUTPUTS = (TensorSpec("y", "FP32", (-1, 2)),)


@dataclass(frozen=True, slots=True)
class ForeignParser:
    """A parser, behind the one place of ours that calls it."""

    name: str
    seeds: Callable[[], Sequence[bytes]]
    """Gives good inputs, each of which it takes."""
    feed: Callable[[bytes], object]
    """Gives it an input, as a stranger would."""
    refusals: tuple[type[Exception], ...]
    """What it may raise."""
    apart: bool = False
    """Whether an input may end the process that it is called in, which works on nothing else."""


@contextmanager
def bundle_of(files: Mapping[str, bytes], model: str) -> Iterator[tuple[Path, Manifest]]:
    """Lay out a bundle's files."""
    with tempfile.TemporaryDirectory() as folder:
        found = []
        for path, data in files.items():
            (Path(folder) / path).write_bytes(data)
            found.append(BundleFile(path, hashlib.sha256(data).hexdigest(), len(data)))
        yield Path(folder), Manifest(model, tuple(found))


HEAVY = Deployment({"*": 3008}, 512, FLEETS)


def verified(data: bytes) -> object:
    with bundle_of({"model.onnx": data}, "iris") as (folder, manifest):
        return verify_bundle(folder, manifest, HEAVY)


def opened(data: bytes) -> object:
    with bundle_of({"model.onnx": data}, "iris") as (folder, _):
        return OnnxModel(folder / "model.onnx", 512)


def graphs() -> list[bytes]:
    value = helper.make_tensor_value_info
    branch = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["then"])],
        "branch",
        [],
        [value("then", TensorProto.FLOAT, ["rows", 2])],
    )
    nested = graph(
        [("x", TensorProto.FLOAT, ["rows", 2])],
        [("y", TensorProto.FLOAT, ["rows", 2])],
        [helper.make_node("If", ["yes"], ["y"], then_branch=branch, else_branch=branch)],
        [helper.make_tensor("yes", TensorProto.BOOL, [], [True])],
    )
    return [plus(1), nested]


def csv_table(data: bytes) -> object:
    """Read a table's layout, then its records; whatever was rejected is written too."""
    table = read_table(data, JobOptions().csv, SPECS, whole=True)
    read = CsvRecords(tuple(table.columns), INPUTS, table.delimiter, keep=True)
    if not {"x_0", "x_1", "label"} <= set(table.columns):
        raise BatchRefused("other columns")
    rows = read.read(data[table.start :], 0, table.start)
    outputs = [Tensor("y", t.datatype, t.array) for t in rows.inputs[:1]]
    return PartFormat("csv", OUTPUTS, table.columns).write(rows, outputs)


def jsonl(data: bytes) -> object:
    JsonlRecords(SPECS[:1]).read(data, 0, 0)
    JsonlRecords(SPECS).read(data, 0, 0)
    rows = JsonlRecords(SPECS, keep=True).read(data, 0, 0)
    return [reject.to_json() for reject in rows.rejects]


def parquet(data: bytes) -> object:
    """Read a footer, and every row by it."""
    try:
        footer = read_footer(data, len(data))
    except NotParquet as problem:
        raise BatchRefused(str(problem)) from None
    names = {column.name for column in footer.columns}
    if not {"x", "label", "at"} <= names:
        raise BatchRefused("other columns")
    try:
        needed = Needs.of(footer, len(data), {"x", "label", "at"}).rows(0, min(footer.rows, 640))
    except NotParquet as problem:
        raise BatchRefused(str(problem)) from None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "input.parquet"
        path.write_bytes(data[: max(end for _, end in needed.ranges)] + needed.footer)
        records = ParquetRecords(
            path,
            0,
            min(footer.rows, 640),
            64,
            SPECS,
            [InputColumns(SPECS[1], ("label",))],
            {"x": "x"},
            ("at", "label"),
        )
        for first, _, of_slice in records.slices(0):
            rows = of_slice.read(b"", first, first)
            PartFormat("csv", OUTPUTS, ("at", "label")).write(rows, rows.inputs[:1])
    return footer.rows


def parquet_files() -> list[bytes]:
    count = 100
    frame = pl.DataFrame(
        {
            "x": [[0.5, float(n)] for n in range(count)],
            "label": [f"a {n % 7}" for n in range(count)],
            "at": pl.Series([n * 1_000_000 for n in range(count)]).cast(pl.Datetime("us", "UTC")),
            "deep": [{"k": [n], "v": None} for n in range(count)],
        },
        schema_overrides={"x": pl.List(pl.Float32)},
    )
    files = []
    for compression in ("uncompressed", "zstd", "snappy", "gzip"):
        target = io.BytesIO()
        frame.write_parquet(target, compression=compression, row_group_size=30)
        files.append(target.getvalue())
    return files


def footers() -> list[bytes]:
    data = parquet_files()[0]
    return [data[read_footer(data, len(data)).body_end :]]


def unpacked(compression: FoundCompression) -> Callable[[bytes], object]:
    def feed(data: bytes) -> int:
        size = 0
        for piece in decompress([data[:100], data[100:]], compression, 65_536):
            assert len(piece) <= 2 * 65_536 + 64 * 2**20
            size += len(piece)
            if size > 64 * 2**20:
                break
        return size

    return feed


@cache
def text() -> bytes:
    rng = np.random.default_rng(1)
    return b"".join(b"%d,%d\n" % tuple(rng.integers(0, 999, 2)) for _ in range(2_000))


def tar_files() -> list[bytes]:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, data in (("1/model.plan", b"\x00\x01" * 900), ("1/" + "long" * 40, b"x")):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        archive.addfile(tarfile.TarInfo("config.pbtxt"), io.BytesIO())
    return [target.getvalue(), gzip.compress(target.getvalue())]


def run_by_a_server(name: str) -> Callable[[bytes], object]:
    """Verify a bundle for an inference server with this as its artifact."""
    yaml = on_fleet("served", "gpu", f"artifact: {name}\n{SERVED}")

    def feed(data: bytes) -> object:
        with bundle_of({name: data, "model.yaml": yaml}, "served") as (folder, manifest):
            return verify_bundle(folder, manifest, HEAVY)

    return feed


def zip_files() -> list[bytes]:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("weights/0.bin", b"\x00\x01" * 500)
        archive.writestr("vocabulary.txt", b"the\nof\n" * 50)
    return [target.getvalue()]


def pickles() -> list[bytes]:
    """Give what is nearly one: each is taken."""
    return [b"os\nsystem\n(S'id'\ntR.", b"(lp0\nF1.5\naF2.5\na.", b"\x80\x09]q\x00(K\x01e."]


def yaml_files() -> list[bytes]:
    return [path.read_bytes() for path in sorted(ROOT.glob("models/*/model.yaml"))]


def manifest_files() -> list[bytes]:
    files = tuple(BundleFile(f"{name}/model.onnx", "0" * 64, 7) for name in ("a", "b/c"))
    return [Manifest("iris", files).to_json().encode()]


def request(data: bytes) -> object:
    return read_request(data, None, Signature(SPECS, OUTPUTS))


def binary_request(data: bytes) -> object:
    return read_request(data, str(len(binary_head())), Signature(SPECS, OUTPUTS))


@cache
def binary_head() -> bytes:
    document = {
        "inputs": [
            {
                "name": name,
                "datatype": datatype,
                "shape": [1, extent],
                "parameters": {"binary_data_size": size},
            }
            for name, datatype, extent, size in (("x", "FP32", 2, 8), ("label", "BYTES", 1, 5))
        ]
    }
    return json.dumps(document).encode()


def binary_requests() -> list[bytes]:
    texts = b"\x01\x00\x00\x00a"
    return [binary_head() + np.ones(2, np.float32).tobytes() + texts]


V2 = {
    "id": "1",
    "inputs": [
        {"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [1.5, 2]},
        {"name": "label", "datatype": "BYTES", "shape": [1, 1], "data": ["é"]},
    ],
    "outputs": [{"name": "y", "parameters": {"binary_data": False}}],
}


def requests() -> list[bytes]:
    return [json.dumps(V2).encode()]


def put_bodies() -> list[bytes]:
    body = {"model": "iris", "request": V2, "callback_url": "https://example.com/done"}
    return [json.dumps(body).encode()]


def golden_files() -> list[bytes]:
    output = {"name": "y", "datatype": "FP32", "shape": [1, 2], "data": [1.0, 2.0]}
    line = json.dumps({"request": V2, "response": {"outputs": [output]}}).encode()
    return [line + b"\n" + line + b"\n"]


def event(data: bytes) -> object:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None  # Lambda itself has read the JSON of an event.
    return ObjectCreated.from_event(value)


def events() -> list[bytes]:
    return [json.dumps(recorded("claim_manifest")["event"]).encode()]


PARSERS = {
    parser.name: parser
    for parser in (
        ForeignParser("polars and csv", lambda: CSV, csv_table, (BatchRefused,)),
        ForeignParser("polars and orjson", lambda: JSONL, jsonl, (BatchRefused,)),
        ForeignParser("polars on parquet", parquet_files, parquet, (BatchRefused,), apart=True),
        ForeignParser("footers", footers, lambda d: read_footer(d, 10**6), (NotParquet,)),
        ForeignParser("bz2", lambda: [bz2.compress(text())], unpacked("bz2"), (BatchRefused,)),
        ForeignParser("gzip", lambda: [gzip.compress(text())], unpacked("gzip"), (BatchRefused,)),
        ForeignParser(
            "zstandard", lambda: [zstandard.compress(text())], unpacked("zstd"), (BatchRefused,)
        ),
        ForeignParser("yaml", yaml_files, read_bundle, (BundleRefused,)),
        ForeignParser(
            "fleets.yaml",
            lambda: [(ROOT / "fleets.yaml").read_bytes()],
            read_fleets,
            (BundleRefused,),
        ),
        ForeignParser(
            "manifest.json", manifest_files, lambda d: read_manifest(d, "iris"), (BundleRefused,)
        ),
        ForeignParser("onnx", graphs, verified, (BundleRefused,)),
        ForeignParser("onnx runtime", graphs, opened, (ArtifactUnreadable,)),
        ForeignParser(
            "golden.jsonl", golden_files, lambda d: read_golden("g", d), (BundleRefused,)
        ),
        ForeignParser("simdjson", requests, request, (InvalidRequest, UnsupportedFeature)),
        ForeignParser(
            "binary tensors", binary_requests, binary_request, (InvalidRequest, UnsupportedFeature)
        ),
        ForeignParser("csv of calls", lambda: CSV, csv_of_a_call, (InvalidRequest,)),
        ForeignParser("arrays of numpy", arrays, read_npy, (InvalidRequest,)),
        ForeignParser("rows", row_bodies, rows, (InvalidRequest, UnsupportedFeature)),
        ForeignParser("put bodies", put_bodies, read_put_request, (InvalidRequest,)),
        ForeignParser(
            "tar", lambda: tar_files()[:1], run_by_a_server("model.tar"), (BundleRefused,)
        ),
        ForeignParser(
            "gzipped tar", lambda: tar_files()[1:], run_by_a_server("m.tgz"), (BundleRefused,)
        ),
        ForeignParser("zip", zip_files, run_by_a_server("weights.bin"), (BundleRefused,)),
        ForeignParser("pickle", pickles, run_by_a_server("weights.bin"), (BundleRefused,)),
        ForeignParser("events", events, event, (NotAnUpload,)),
        ForeignParser("callback URLs", lambda: URLS, lenient(read_callback_url), (ValueError,)),
        ForeignParser("sounds", sound_files, hear, (InvalidInputs,)),
        ForeignParser("images", image_files, lambda data: decode_image(data, 0), (InvalidInputs,)),
        *(ForeignParser(*one, (TaskUnreadable, InvalidInputs)) for one in OF_TEXT),
        ForeignParser("jsonata", lambda: EXPRESSIONS, lenient(evaluated), (ExpressionWrong,)),
        ForeignParser("cron", lambda: CRONS, lenient(Cron.parse), (InvalidCron,)),
    )
}
CSV = [
    b"x_0,x_1,label\n" + b"".join(b'%d,0.5,"a ""%d"""\n' % (n, n) for n in range(40)),
    b"x_0;x_1;label;more\r\n" + b"1;2;a;\r\n3;;b;c\r\n" * 20,
]
JSONL = [
    b'{"x": [1, 2.5], "label": "a"}\n' * 20,
    b'{"x": [1, 2], "label": ["b"], "other": {"deep": [null]}}\n' * 5,
    b"[1, 2]\n[3, 4.5]\n" * 10,
    json.dumps({"inputs": V2["inputs"]}).encode() + b"\n",
]
