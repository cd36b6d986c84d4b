"""What `serval init` is given in tests, and the bundle that it makes."""

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from serval_cli.commands.publish.init import init


def write_graph(path: Path, datatype: int = TensorProto.FLOAT, *, external: bool = False) -> Path:
    """Write a graph that gives its input back, beside a constant."""
    constant = numpy_helper.from_array(np.ones(64, np.float32), "c")
    graph = helper.make_graph(
        [
            helper.make_node("Identity", ["x"], ["y"]),
            helper.make_node("Identity", ["c"], ["z"]),
        ],
        "g",
        [helper.make_tensor_value_info("x", datatype, ["rows", 2])],
        [
            helper.make_tensor_value_info("y", datatype, ["rows", 2]),
            helper.make_tensor_value_info("z", TensorProto.FLOAT, [64]),
        ],
        [constant],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    where = {"save_as_external_data": True, "location": "w.data", "size_threshold": 0}
    onnx.save(model, path, **(where if external else {}))
    return path


def make(tmp_path: Path, source: Path | None, name: str = "tiny", *samples: Path) -> Path:
    init(name, source, tmp_path / "made", list(samples), as_json=True)
    return tmp_path / "made"


def golden(folder: Path) -> dict[str, object]:
    read: dict[str, object] = json.loads((folder / "golden.jsonl").read_text())
    return read


def write_nodes(
    path: Path,
    nodes: list[onnx.NodeProto],
    inputs: dict[str, list[object]],
    weights: dict[str, np.ndarray] | None = None,
) -> Path:
    """Write a graph of floats whose output is ``y``."""
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "g",
        [value(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
        [value("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array, name) for name, array in (weights or {}).items()],
    )
    graph.output[0].type.tensor_type.shape.dim.add().dim_param = "rows"
    graph.output[0].type.tensor_type.shape.dim.add().dim_param = "columns"
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    onnx.save(model, path)
    return path
