"""What ONNX Runtime runs is not refused because the checker is stricter."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from serval.bundles.verification.external_data import external_files
from serval.bundles.verification.graph import checker_reasons, graph_reasons, load_graph
from serval.bundles.verification.graph_signature import signature_of

value = helper.make_tensor_value_info


def two_layers() -> ModelProto:
    """Build a graph of a product and a ramp, with a matrix too large for the checker."""
    weights = numpy_helper.from_array(np.ones((3, 400), np.float32), "w")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["m"]), helper.make_node("Relu", ["m"], ["y"])],
        "g",
        [value("x", TensorProto.FLOAT, ["rows", 3])],
        [value("y", TensorProto.FLOAT, ["rows", 400])],
        [weights],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def backwards(model: ModelProto) -> None:
    nodes = list(model.graph.node)[::-1]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def with_a_branch_first(model: ModelProto) -> None:
    """Put a choice in front of what its branches read."""
    one, other = (
        helper.make_graph(
            [helper.make_node(operator, ["m"], [operator])],
            operator,
            [],
            [value(operator, TensorProto.FLOAT, None)],
        )
        for operator in ("Relu", "Neg")
    )
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "which"))
    model.graph.node[1].CopyFrom(
        helper.make_node("If", ["which"], ["y"], then_branch=one, else_branch=other)
    )
    backwards(model)


def stale_shape(model: ModelProto) -> None:
    model.graph.value_info.append(value("m", TensorProto.FLOAT, [7, 9]))


def stale_rank(model: ModelProto) -> None:
    model.graph.value_info.append(value("m", TensorProto.FLOAT, [7]))


def stale_weight(model: ModelProto) -> None:
    model.graph.value_info.append(value("w", TensorProto.FLOAT, [9, 9]))


def stale_output(model: ModelProto) -> None:
    model.graph.output[0].CopyFrom(value("y", TensorProto.FLOAT, [1, 9]))


def output_of_no_shape(model: ModelProto) -> None:
    model.graph.output[0].CopyFrom(value("y", TensorProto.FLOAT, None))


def nameless(model: ModelProto) -> None:
    model.graph.name = ""


def with_a_long_domain(model: ModelProto) -> None:
    model.graph.node[1].domain = "ai.onnx"


def without_microsoft_s_opset(model: ModelProto) -> None:
    model.graph.node[1].CopyFrom(helper.make_node("Gelu", ["m"], ["y"], domain="com.microsoft"))


def without_ml_s_opset(model: ModelProto) -> None:
    normalizer = helper.make_node("Normalizer", ["m"], ["y"], domain="ai.onnx.ml", norm="L2")
    model.graph.node[1].CopyFrom(normalizer)


def of_an_old_format(model: ModelProto) -> None:
    model.ir_version = 3


def with_metadata_twice(model: ModelProto) -> None:
    for text in ("1", "2"):
        model.metadata_props.add(key="epoch", value=text)


ODD = [
    backwards,
    with_a_branch_first,
    stale_shape,
    stale_rank,
    stale_weight,
    stale_output,
    output_of_no_shape,
    nameless,
    with_a_long_domain,
    without_microsoft_s_opset,
    without_ml_s_opset,
    of_an_old_format,
    with_metadata_twice,
]


@pytest.mark.parametrize("make_odd", ODD)
def test_an_odd_graph_that_runs_is_valid(make_odd: Callable[[ModelProto], None], tmp_path: Path):
    model = two_layers()
    make_odd(model)
    onnx.save(model, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    [answer] = session.run(None, {"x": np.ones((2, 3), np.float32)})

    read = load_graph(tmp_path, "model.onnx")

    assert graph_reasons(read, "model.onnx", {}) == []
    assert checker_reasons(read, "model.onnx") == []
    [output] = signature_of(read).outputs
    assert [extent for extent in output.shape if extent != -1] in ([400], [])
    assert len(output.shape) == answer.ndim


def test_nodes_in_a_circle_are_refused():
    model = two_layers()
    model.graph.node[0].input[0] = "y"

    [reason] = checker_reasons(model, "model.onnx")
    assert "topologically sorted" in reason


def test_weights_at_a_path_with_a_dot_are_those_beside_the_graph(tmp_path: Path):
    model = two_layers()
    onnx.save(model, tmp_path / "model.onnx", save_as_external_data=True, location="w.data")
    model = onnx.load(tmp_path / "model.onnx", load_external_data=False)
    for entry in model.graph.initializer[0].external_data:
        if entry.key == "location":
            entry.value = "./w.data"
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    session.run(None, {"x": np.ones((2, 3), np.float32)})

    assert external_files(model, "model.onnx") == ("w.data",)
    assert graph_reasons(model, "model.onnx", {"w.data": 4800}) == []
    assert checker_reasons(model, "model.onnx") == []
