"""Each layer works with nothing beside it but Python itself."""

import ast
import subprocess
import sys
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from layers.dependencies.declarations import LOCAL, SERVICES
from layers.dependencies.installation import LIBRARY

pytestmark = pytest.mark.slow

WORKER = LIBRARY / "serval" / "bootstrap" / "worker"

RUN_A_MODEL = """
import numpy, onnxruntime, orjson, simdjson
session = onnxruntime.InferenceSession({model!r}, providers=["CPUExecutionProvider"])
(answer,) = session.run(None, {{"x": numpy.array([[1, 2], [3, 4]], numpy.float32)}})
assert simdjson.Parser().parse(orjson.dumps(answer.tolist())).as_list() == [[5, 11], [11, 25]]
"""

PRINT_WHAT_WAS_LOADED = """
files = [getattr(module, "__file__", None) or "" for module in sys.modules.values()]
print(*{file[len(layer) + 1 :].split("/")[0] for file in files if file.startswith(layer)})
"""


def run_isolated(layer: Path, code: str) -> set[str]:
    """Run code that sees the layer and the standard library; return what it took from the layer."""
    program = f"import sys; layer = {str(layer)!r}; sys.path.append(layer)\n{code}"
    run = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-W", "error", "-c", program + PRINT_WHAT_WAS_LOADED],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")
    return set(run.stdout.split())


@pytest.fixture
def product(tmp_path):
    """Write a model that multiplies ``x`` with its own transpose."""
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n", "n"]) for n in "xy")
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"]),
        helper.make_node("MatMul", ["x", "t"], ["y"]),
    ]
    model = helper.make_model(
        helper.make_graph(nodes, "product", [x], [y]),
        opset_imports=[helper.make_opsetid("", 20)],
        ir_version=9,
    )
    onnx.save(model, tmp_path / "model.onnx")
    return str(tmp_path / "model.onnx")


def test_the_inference_layer_runs_a_model_with_numpy_and_onnxruntime_alone(built, product):
    loaded = run_isolated(built(LOCAL, "inference"), RUN_A_MODEL.format(model=product))
    assert {name.removesuffix(".abi3.so") for name in loaded} == {
        "numpy",
        "onnxruntime",
        "orjson",
        "simdjson",
        "csimdjson",
    }


def test_the_inference_layer_has_the_library_of_extensions_and_nothing_around_it(built):
    code = """
import importlib.util, onnxruntime, pathlib
[folder] = importlib.util.find_spec("onnxruntime_extensions").submodule_search_locations
[library] = pathlib.Path(folder).iterdir()
onnxruntime.SessionOptions().register_custom_ops_library(str(library))
"""
    run_isolated(built(LOCAL, "inference"), code)


def test_the_inference_layer_keeps_the_arithmetic_that_tensors_need(built):
    code = """
import io, numpy
a = numpy.arange(6, dtype=numpy.float16).reshape(2, 3)
assert numpy.frombuffer(a.tobytes(), a.dtype).sum() == 15
assert numpy.linalg.norm(a @ a.T) > 0
buffer = io.BytesIO(); numpy.savez(buffer, a=a); buffer.seek(0)
assert (numpy.load(buffer)["a"] == a).all()
repr(a); numpy.isfinite(a).all(); numpy.concatenate([a, a]); numpy.array(["a", "b"], object)
"""
    assert run_isolated(built(LOCAL, "inference"), code) == {"numpy"}


def test_the_verification_layer_checks_a_model(built, product):
    code = f"""
import onnx, onnx.checker, onnx.external_data_helper, onnx.numpy_helper, onnx.shape_inference
onnx.checker.check_model(onnx.load({product!r}), full_check=True)
assert onnx.__version__ == {onnx.__version__!r}
"""
    assert "onnx" in run_isolated(built(LOCAL, "verification"), code)


def test_the_control_layer_serves_and_validates_without_an_sdk(built):
    code = """
import orjson, pydantic, yaml
class Bundle(pydantic.BaseModel):
    name: str
assert Bundle(**yaml.safe_load("name: iris")).name == "iris"
assert not {"boto3", "botocore"} & set(sys.modules)
"""
    assert "pydantic" in run_isolated(built(LOCAL, "control"), code)


def test_the_sdk_layer_makes_a_client_of_every_service_that_functions_call(built):
    code = f"""
import boto3
for service in {sorted(services_called())}:
    boto3.client(service, "eu-central-1", aws_access_key_id="a", aws_secret_access_key="s")
boto3.resource("dynamodb", "eu-central-1").Table("registry")
"""
    assert "botocore" in run_isolated(built(LOCAL, "sdk"), code)


def test_the_sdk_layer_describes_no_service_that_no_function_calls():
    assert services_called() == set(SERVICES)


@pytest.mark.parametrize(
    ("service", "operation", "parameter"),
    [
        ("s3", "CopyObject", "IfNoneMatch"),
        ("s3", "CompleteMultipartUpload", "IfNoneMatch"),
        ("sagemaker-runtime", "InvokeEndpointAsync", "Body"),
        ("sagemaker-runtime", "InvokeEndpointAsync", "InvocationTimeoutSeconds"),
    ],
)
def test_the_sdk_layer_knows_parameters_that_lambdas_own_has_lacked(
    built, service, operation, parameter
):
    code = f"""
import botocore.session
model = botocore.session.Session().get_service_model({service!r})
assert {parameter!r} in model.operation_model({operation!r}).input_shape.members
"""
    run_isolated(built(LOCAL, "sdk"), code)


def services_called() -> set[str]:
    """Find the services of calls as ``boto3.client("s3", …)`` and ``defer_client("ecs", …)``.

    The worker has an SDK of its own.
    """
    calls = (
        node
        for file in LIBRARY.rglob("*.py")
        if not file.is_relative_to(WORKER)
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and node.args
    )
    named = {
        call.args[0].value
        for call in calls
        if ast.unparse(call.func).rpartition(".")[2] in {"client", "resource", "defer_client"}
        and isinstance(call.args[0], ast.Constant)
    }
    return {str(name) for name in named}


def test_the_batch_layer_reads_and_writes_tables_and_unpacks_zstd(built, tmp_path):
    file = str(tmp_path / "t.parquet")
    code = f"""
import io, polars as pl, zstandard
table = "1,a\\n2,b\\n"
frame = pl.read_csv(table.encode(), has_header=False, schema={{"n": pl.String, "t": pl.String}})
frame.write_parquet({file!r})
assert pl.read_parquet({file!r}).write_csv(include_header=False) == table
lines = io.BytesIO(b'{{"x": [1.5, 2]}}\\n')
assert pl.read_ndjson(lines, schema={{"x": pl.List(pl.Float64)}})["x"].to_list() == [[1.5, 2]]
packed = zstandard.ZstdCompressor().compress(b"rows")
assert zstandard.ZstdDecompressor().decompress(packed) == b"rows"
assert "numpy" not in sys.modules
"""
    assert "polars" in run_isolated(built(LOCAL, "batch"), code)
