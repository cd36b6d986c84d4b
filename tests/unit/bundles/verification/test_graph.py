"""The checks of an ONNX graph, held against what ONNX Runtime itself does."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import ModelProto, TensorProto, helper, numpy_helper

from serval.bundles.verification import graph
from serval.bundles.verification.external_data import external_files
from serval.bundles.verification.graph import (
    LIMIT_IR_VERSION,
    LIMIT_OPSETS,
    checker_reasons,
    graph_reasons,
    load_graph,
)
from serval.errors import BundleRefused
from tests.fakes.registration import scaling_model

X = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])
Y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])


def one_node(op_type: str, domain: str = "", version: int = 1, **attributes: Any) -> ModelProto:
    node = helper.make_node(op_type, ["x"], ["y"], domain=domain, **attributes)
    opsets = [helper.make_opsetid("", 21)]
    if domain:
        opsets.append(helper.make_opsetid(domain, version))
    made = helper.make_model(helper.make_graph([node], "g", [X], [Y]), opset_imports=opsets)
    made.ir_version = 10
    return made


def external(**entries: str) -> TensorProto:
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[3])
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=value)
    return tensor


def with_weights(tensor: TensorProto) -> ModelProto:
    made = scaling_model()
    made.graph.initializer.append(tensor)
    return made


def in_a_constant(tensor: TensorProto) -> ModelProto:
    made = scaling_model()
    made.graph.node.append(helper.make_node("Constant", [], ["c"], value=tensor))
    return made


def in_a_branch(tensor: TensorProto) -> ModelProto:
    made = scaling_model()
    branch = helper.make_graph([], "branch", [], [Y], [tensor])
    made.graph.node.append(
        helper.make_node("If", ["x"], ["i"], then_branch=branch, else_branch=branch)
    )
    return made


def in_a_function(tensor: TensorProto) -> ModelProto:
    made = scaling_model()
    constant = helper.make_node("Constant", [], ["c"], value=tensor)
    opset = helper.make_opsetid("", 21)
    made.functions.append(helper.make_function("own", "F", [], ["c"], [constant], [opset]))
    return made


def in_a_sparse_tensor(tensor: TensorProto) -> ModelProto:
    made = scaling_model()
    made.graph.sparse_initializer.add().values.CopyFrom(tensor)
    return made


PLACES = [with_weights, in_a_constant, in_a_branch, in_a_function, in_a_sparse_tensor]


def reasons(model: ModelProto, **sizes: int) -> list[str]:
    return graph_reasons(model, "model.onnx", {"model.onnx": 100} | sizes)


def test_a_plain_graph_is_allowed():
    assert reasons(scaling_model()) == []


@pytest.mark.parametrize("domain", ["", "ai.onnx.ml", "com.microsoft"])
def test_operators_that_onnx_runtime_brings_are_allowed(domain: str):
    assert reasons(one_node("Any", domain)) == []


@pytest.mark.parametrize(
    ("domain", "truth"),
    [
        ("com.example", "whose domain ONNX Runtime does not bring; allowed: ai.onnx, "),
        ("ai.onnx.training", "which is for training: export the model for inference"),
        ("ai.onnx.contrib", "which belongs to onnxruntime-extensions; of that, BertTokenizer, "),
        ("com.microsoft.extensions", "which belongs to onnxruntime-extensions; of that, "),
        ("com.microsoft.nchwc", "which ONNX Runtime wrote when it saved the graph optimised"),
    ],
)
def test_another_operator_domain_is_refused_for_what_it_is(domain: str, truth: str):
    (found,) = reasons(one_node("Twist", domain))

    assert found.startswith(f"model.onnx uses operator {domain}::Twist, {truth}")


def test_operators_of_extensions_that_end_the_process_are_refused():
    assert reasons(one_node("BertTokenizer", "ai.onnx.contrib")) == []

    (found,) = reasons(one_node("BpeDecoder", "ai.onnx.contrib"))

    assert "which has a process of its own" in found


def test_a_graph_that_onnx_runtime_saved_for_its_processor_is_refused_for_that(tmp_path: Path):
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "model.onnx")
    weights = numpy_helper.from_array(np.ones((16, 16, 3, 3), np.float32), "w")
    shape = [1, 16, 32, 32]
    made = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        [weights],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnxruntime.InferenceSession(model.SerializeToString(), options)
    saved = load_graph(tmp_path, "model.onnx")

    for found in reasons(saved):
        assert "publish the file that it was optimised from" in found


def test_an_operator_hidden_in_a_branch_is_found():
    made = scaling_model()
    hidden = one_node("Twist", "com.example").graph
    made.graph.node.append(
        helper.make_node("If", ["x"], ["i"], then_branch=hidden, else_branch=hidden)
    )

    assert len(reasons(made)) == 1


def test_a_function_of_the_model_s_own_is_allowed():
    made = one_node("Double", "own")
    body = [helper.make_node("Add", ["a", "a"], ["b"])]
    opset = helper.make_opsetid("", 21)
    made.functions.append(helper.make_function("own", "Double", ["a"], ["b"], body, [opset]))

    assert reasons(made) == []


def test_an_operator_hidden_in_a_function_is_found():
    made = one_node("Double", "own")
    body = [helper.make_node("Twist", ["a"], ["b"], domain="com.example")]
    opset = helper.make_opsetid("com.example", 1)
    made.functions.append(helper.make_function("own", "Double", ["a"], ["b"], body, [opset]))

    assert len(reasons(made)) == 1


def test_a_graph_of_too_many_nodes_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(graph, "LIMIT_NODES", 3)
    made = scaling_model()
    made.graph.node.extend([made.graph.node[0]] * 3)

    assert reasons(made) == ["model.onnx has more than 3 nodes"]


@pytest.mark.parametrize("place", PLACES)
def test_external_data_in_the_bundle_are_allowed(place: Callable[[TensorProto], ModelProto]):
    made = place(external(location="weights/w.bin", offset="4", length="12"))

    assert reasons(made, **{"weights/w.bin": 16}) == []
    assert external_files(made, "model.onnx") == ("weights/w.bin",)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "location", ["../w.bin", "/etc/passwd", "a/../../w.bin", "a\\w.bin", "", "."]
)
def test_external_data_outside_the_bundle_are_refused(
    place: Callable[[TensorProto], ModelProto], location: str
):
    (found,) = reasons(place(external(location=location)))

    assert found.startswith(f"tensor 'w': external data at {location!r}: expected ")


def test_external_data_are_looked_for_beside_the_artifact():
    made = with_weights(external(location="w.bin"))

    assert graph_reasons(made, "graphs/net.onnx", {"graphs/w.bin": 12}) == []
    assert external_files(made, "graphs/net.onnx") == ("graphs/w.bin",)
    (found,) = graph_reasons(made, "graphs/net.onnx", {"w.bin": 12})
    assert "graphs/w.bin is not in the bundle; add it to the upload" in found


@pytest.mark.parametrize(
    ("entries", "problem"),
    [
        ({"offset": "8", "length": "12"}, "bytes 8 to 20 are to be read, and w.bin has 16 bytes"),
        ({"offset": "-8"}, "bytes -8 to -8 are to be read, and w.bin has 16 bytes"),
        ({"length": "twelve"}, "offset and length must be whole numbers"),
    ],
)
def test_external_data_past_their_file_are_refused(entries: dict[str, str], problem: str):
    (found,) = reasons(with_weights(external(location="w.bin", **entries)), **{"w.bin": 16})

    assert found.startswith(f"tensor 'w': external data at 'w.bin': {problem}")


def test_external_data_at_a_place_that_is_not_text_are_refused():
    body = with_weights(external(location="w.bin")).SerializeToString()
    made = ModelProto.FromString(body.replace(b"w.bin", b"w\xffbin"))

    assert len(reasons(made, **{"w.bin": 12})) == 1


def test_external_data_without_the_flag_are_refused_as_well():
    tensor = external(location="../w.bin")
    tensor.data_location = TensorProto.DEFAULT

    assert len(reasons(with_weights(tensor))) == 1


@pytest.mark.parametrize(
    "body",
    [b"", b"not a model", b"\x08", b"\x08\x0a", b"{}", bytes(100)],
    ids=["empty", "text", "cut", "no graph", "json", "zeros"],
)
def test_a_file_that_is_no_model_is_refused(tmp_path: Path, body: bytes):
    (tmp_path / "model.onnx").write_bytes(body)

    with pytest.raises(BundleRefused, match=r"^model\.onnx is not an ONNX model(:| but) "):
        load_graph(tmp_path, "model.onnx")


def test_a_graph_past_protocol_buffers_is_refused_with_advice(tmp_path: Path):
    with (tmp_path / "model.onnx").open("wb") as file:
        file.truncate(2**31)

    with pytest.raises(BundleRefused, match="save_as_external_data=True"):
        load_graph(tmp_path, "model.onnx")


def test_the_checker_s_findings_are_put_in_one_line():
    made = scaling_model()
    made.graph.node[0].input[0] = "nowhere"

    (found,) = checker_reasons(made, "model.onnx")

    assert found.startswith("model.onnx is not a valid ONNX model: ")
    assert "nowhere" in found
    assert "\n" not in found


def test_a_type_that_contradicts_the_nodes_is_refused():
    made = scaling_model()
    made.graph.output[0].type.tensor_type.elem_type = TensorProto.INT64

    assert len(checker_reasons(made, "model.onnx")) == 1


def test_the_checker_allows_microsoft_operators(tmp_path: Path):
    made = one_node("Gelu", "com.microsoft")
    onnx.save(made, tmp_path / "model.onnx")

    assert checker_reasons(made, "model.onnx") == []
    onnxruntime.InferenceSession(tmp_path / "model.onnx")


def runs(model: ModelProto) -> bool:
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString())
    except onnxruntime.capi.onnxruntime_pybind11_state.Fail:
        return False
    session.run(None, {"x": np.ones((1, 3), np.float32)})
    return True


@pytest.mark.parametrize("above", [0, 1])
def test_the_limits_are_those_of_the_pinned_onnx_runtime(above: int):
    opset = scaling_model()
    opset.opset_import[0].version = LIMIT_OPSETS[""] + above
    ir = scaling_model()
    ir.ir_version = LIMIT_IR_VERSION + above
    ml_version = LIMIT_OPSETS["ai.onnx.ml"] + above
    ml = one_node("Scaler", "ai.onnx.ml", ml_version, scale=[1.0], offset=[0.0])

    for made in (opset, ir, ml):
        assert runs(made) is (above == 0)
        assert (reasons(made) == []) is (above == 0)


@given(data=st.data())
def test_a_damaged_model_is_refused_and_never_fails(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
):
    body = bytearray(scaling_model().SerializeToString())
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    folder = tmp_path_factory.getbasetemp()
    (folder / "model.onnx").write_bytes(body)
    try:
        model = load_graph(folder, "model.onnx")
    except BundleRefused:
        return
    if not graph_reasons(model, "model.onnx", {"model.onnx": len(body)}):
        checker_reasons(model, "model.onnx")


def test_a_graph_of_two_floating_types_is_told_to_have_one() -> None:
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "w"], ["y"])],
        "g",
        [value("x", TensorProto.DOUBLE, [1]), value("w", TensorProto.FLOAT, [1])],
        [value("y", TensorProto.FLOAT, [1])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    [reason] = checker_reasons(model, "model.onnx")
    assert "exported from float64 data, cast these to float32" in reason
