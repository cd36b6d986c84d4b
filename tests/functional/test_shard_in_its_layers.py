"""The steps that read inputs as they are deployed: on their layers, and on no others."""

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.functional.test_infer_starts_lean import ROOT

pytestmark = pytest.mark.slow

LAYERS = [
    ROOT / "layers/core/python",
    ROOT / "build/layers/local/sdk/python",
    ROOT / "build/layers/local/inference/python",
    ROOT / "build/layers/local/batch/python",
]
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_REGION": "eu-central-1",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769",
    "ARTIFACT_BUCKET": "artifacts",
    "JOBS_TABLE": "jobs",
    "REGISTRY_TABLE": "registry",
    "REQUESTS_TABLE": "requests",
    "DATA_BUCKET": "data",
    "SHARD_MEMORY_MIB": "1769",
    "SHARDS_AT_ONCE": "40",
    "STAGE": "prod",
}
RUN = """
import sys
sys.path[:] = [path for path in sys.path if "site-packages" not in path]
sys.path[1:1] = {paths!r}
{code}
import json
print(json.dumps(sorted(dict.fromkeys(name.split(".")[0] for name in sys.modules))))
"""
FILES = """
import gzip, io, json, time
import numpy, polars, zstandard
from serval.batch.input.records import whole_records
from serval.batch.input.columns import InputColumns
from serval.batch.input.decompress import decompress
from serval.batch.shard.outputs import PartFormat
from serval.batch.input.csv.records import CsvRecords
from serval.batch.input.jsonl.records import JsonlRecords
from serval.batch.shard.engine import ShardEngine
from serval.models.signature import TensorSpec
from serval.models.tensor import Tensor
class Summing:
    def run(self, inputs, outputs):
        return [Tensor("y", "FP32", inputs[0].array.sum(axis=1))]
class Memory:
    data = b""
    def write(self, data): self.data += data
    def close(self): pass
    def abort(self): raise AssertionError
x, y = TensorSpec("x", "FP32", (-1, 2)), TensorSpec("y", "FP32", (-1,))
for kind in ("csv", "jsonl", "parquet"):
    for packed, name in ((gzip.compress(b"1,2\\n3,b\\n"), "gzip"),
                         (zstandard.compress(b"1,2\\n3,b\\n"), "zstd")):
        output, errors = Memory(), Memory()
        engine = ShardEngine(
            CsvRecords(("a", "b"), [InputColumns(x, ("a", "b"))], keep=True), Summing(), [y], 8,
            PartFormat(kind, [y], ("a", "b")), time.perf_counter)
        blocks = whole_records(decompress([packed], name, 99), 0, 0, quoted=True)
        counts = engine.run(blocks, output, errors, header=kind == "csv").counts
        assert (counts.rows, counts.rejected) == (1, 1), counts
        assert output.data
output, errors = Memory(), Memory()
engine = ShardEngine(
    JsonlRecords([x]), Summing(), [y], 8, PartFormat("jsonl", [y]), time.perf_counter)
engine.run(whole_records([b'{"x": [1, 2]}\\n[3, 4]\\n'], 0, 0, quoted=False), output, errors, False)
assert output.data == b'{"y":3.0}\\n{"y":7.0}\\n', output.data
from pathlib import Path
from tempfile import TemporaryDirectory
from serval.batch.input.parquet.records import ParquetRecords
with TemporaryDirectory() as folder:
    path = Path(folder) / "t.parquet"
    polars.DataFrame({"x": [[1.0, 2.0], [1.0]], "n": [1, None]}).write_parquet(path)
    n = TensorSpec("n", "INT64", (-1,))
    records = ParquetRecords(path, 0, 2, 9, [x, n], [InputColumns(n, ("n",))], {"x": "x"}, ("n",))
    rows = records.read(b"", 0, 0)
    assert (rows.count, len(rows.rejects), rows.inputs[0].array.tolist()) == (1, 1, [[1, 2]])
"""


DURABLE = """
import handler
from serval.batch.job.asked_versions import AskedVersions
from serval.batch.job.job import BatchJob
from serval.models.version import ModelVersion
record = ModelVersion(
    model="chain", version="1", digest="", created="", artifact="", artifact_files=(), files=(),
    signature=None, runtime="pipeline", bundle={"durable": True})
job = BatchJob(id="j", model="chain", created="", updated="")
rows = handler.ready.use_case.ask(record, job, lambda: True, AskedVersions())
assert type(rows).__name__ == "RequestedRows"
"""


def run(code: str, *paths: Any) -> set[str]:
    """Run code in an interpreter of its own; give what it imported."""
    assert all(layer.exists() for layer in LAYERS), "run `make layers-aws`"
    program = RUN.format(paths=[str(path) for path in (*paths, *LAYERS)], code=code)
    found = subprocess.run(
        [sys.executable, "-I", "-W", "error", "-c", program],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (found.returncode, found.stderr) == (0, "")
    return set(json.loads(found.stdout.splitlines()[-1]))


@pytest.mark.parametrize("function", ["plan", "scan", "cut", "shard", "assemble"])
def test_a_step_starts_from_its_layers(function: str) -> None:
    imported = run("import handler", ROOT / "functions" / function)
    assert not imported & {"pydantic", "aws_lambda_powertools", "onnx", "yaml"}
    assert ("onnxruntime" in imported) == (function == "shard")


def test_every_format_is_read_and_written_with_the_layers_alone() -> None:
    assert {"polars", "numpy", "zstandard"} <= run(FILES)


def test_a_shard_asks_durable_pipelines_from_its_layers() -> None:
    imported = run(DURABLE, ROOT / "functions" / "shard")
    assert not imported & {"pydantic", "aws_lambda_powertools", "onnx", "yaml"}
