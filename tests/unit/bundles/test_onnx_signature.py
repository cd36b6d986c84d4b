"""Signatures read from ONNX graphs."""

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper

from serval.bundles.onnx_signature import V2_DATATYPES, read_signature
from serval.errors import BundleRefused
from serval.models.signature import Signature, TensorSpec
from serval.models.tensor import DATATYPES


def model(
    inputs: list[Any], outputs: list[Any], initializers: list[Any] | None = None
) -> ModelProto:
    graph = helper.make_graph([], "g", inputs, outputs, initializers or [])
    return helper.make_model(graph)


def tensor(name: str = "x", datatype: int = TensorProto.FLOAT, shape: Any = (1,)) -> Any:
    return helper.make_tensor_value_info(name, datatype, shape)


def value(kind: Any) -> Any:
    return helper.make_value_info("y", kind)


def reasons(graph: ModelProto) -> tuple[str, ...]:
    with pytest.raises(BundleRefused) as refused:
        read_signature(graph)
    return refused.value.reasons


def test_every_v2_datatype_is_read():
    assert set(V2_DATATYPES.values()) == set(DATATYPES)


@pytest.mark.parametrize(("onnx_type", "datatype"), V2_DATATYPES.items())
def test_an_element_type_has_its_datatype(onnx_type: int, datatype: str):
    signature = read_signature(model([tensor("x", onnx_type)], [tensor("y", onnx_type)]))

    assert signature.inputs == (TensorSpec("x", datatype, (1,)),)
    assert signature.outputs == (TensorSpec("y", datatype, (1,)),)
    if datatype not in {"BF16", "BYTES"}:
        assert helper.tensor_dtype_to_np_dtype(onnx_type) == DATATYPES[datatype]


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (["batch", 4], (-1, 4)),
        ([None, None], (-1, -1)),
        ([-1, 3], (-1, 3)),
        ([0, 3], (0, 3)),
        ([], ()),
    ],
)
def test_a_dimension_without_a_size_may_vary(shape: list[Any], expected: tuple[int, ...]):
    signature = read_signature(model([tensor(shape=shape)], [tensor("y")]))

    assert signature.inputs[0].shape == expected


def test_an_input_with_an_initializer_is_none():
    weights = onnx.numpy_helper.from_array(np.ones(3, np.float32), "w")

    signature = read_signature(model([tensor("x"), tensor("w")], [tensor("y")], [weights]))

    assert [spec.name for spec in signature.inputs] == ["x"]


def test_a_graph_without_inputs_is_a_model():
    assert read_signature(model([], [tensor("y")])).inputs == ()


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        (
            value(
                helper.make_sequence_type_proto(
                    helper.make_map_type_proto(
                        TensorProto.INT64, helper.make_tensor_type_proto(TensorProto.FLOAT, [])
                    )
                )
            ),
            "output 'y' is of kind sequence, a tensor expected: `serval init NAME --from FILE` "
            "makes tensors of what ZipMap, or a list of them, ends in; or export it as a tensor",
        ),
        (
            value(
                helper.make_map_type_proto(
                    TensorProto.INT64, helper.make_tensor_type_proto(TensorProto.FLOAT, [])
                )
            ),
            "output 'y' is of kind map, a tensor expected: `serval init NAME --from FILE` makes",
        ),
        (
            value(
                helper.make_optional_type_proto(
                    helper.make_tensor_type_proto(TensorProto.FLOAT, [])
                )
            ),
            "output 'y' is of kind optional, a tensor expected: export the graph without optional",
        ),
        (
            value(helper.make_sparse_tensor_type_proto(TensorProto.FLOAT, [1])),
            "output 'y' is of kind sparse tensor, a tensor expected: export it as a dense tensor",
        ),
        (onnx.ValueInfoProto(name="y"), "output 'y' is of kind value without a type"),
        (tensor("y", shape=None), "output 'y' has no rank: export its shape"),
        (tensor("y", TensorProto.COMPLEX64), "output 'y' has element type COMPLEX64, one of BOOL"),
        (tensor("y", TensorProto.FLOAT8E5M2), "output 'y' has element type FLOAT8E5M2, one of"),
        (tensor("y", 99), "output 'y' has element type 99, one of BOOL"),
    ],
)
def test_what_the_protocol_cannot_say_is_refused_with_advice(output: Any, reason: str):
    (found,) = reasons(model([tensor()], [output]))

    assert found.startswith(reason)


@pytest.mark.parametrize(
    ("producer", "way"),
    [
        ("skl2onnx", "; or export with options={'zipmap': False}"),
        ("OnnxMLTools", "; or convert with zipmap=False"),
        ("CatBoost", "makes tensors of what ZipMap, or a list of them, ends in"),
        ("pytorch", "; or return tensors from forward, no lists or dictionaries"),
    ],
)
def test_the_advice_is_for_the_exporter_that_wrote_the_graph(producer: str, way: str):
    probabilities = helper.make_sequence_type_proto(
        helper.make_tensor_type_proto(TensorProto.FLOAT, [])
    )
    graph = model([tensor()], [value(probabilities)])
    graph.producer_name = producer

    (found,) = reasons(graph)

    assert found.endswith(way)


def test_a_dictionary_as_input_is_refused_with_its_own_advice():
    kind = helper.make_map_type_proto(
        TensorProto.STRING, helper.make_tensor_type_proto(TensorProto.FLOAT, [])
    )

    (found,) = reasons(model([helper.make_value_info("x", kind)], [tensor("y")]))

    assert "have callers send its columns" in found


def test_a_name_that_is_not_text_is_refused():
    body = model([tensor("name")], [tensor("y")]).SerializeToString().replace(b"name", b"n\xffme")

    assert reasons(ModelProto.FromString(body)) == ("input b'n\\xffme' has no name in UTF-8",)


def test_a_name_that_is_there_twice_is_refused():
    graph = model([tensor("x")], [tensor("y"), tensor("y")])

    assert reasons(graph) == ("output 'y' is repeated",)


def test_every_reason_is_reported_at_once():
    graph = model([tensor("a", shape=None), tensor("b", TensorProto.COMPLEX64)], [])

    assert len(reasons(graph)) == 3


@pytest.mark.parametrize(
    ("inputs", "output", "interact"),
    [
        ([["batch", 8], ["batch", 8]], ["batch", "batch"], True),
        ([["texts", 8], ["images", 8]], ["images", "texts"], True),
        ([["batch", 8], [2, "batch", 8]], ["batch", 3], True),
        ([["batch", "length"]], ["batch", "length", 3], False),
        ([["batch", 8]], ["batch", 3], False),
        ([["", ""]], ["", ""], False),
        ([["None", "None"]], ["None", 3], False),
        ([[]], [], False),
    ],
)
def test_rows_interact_where_another_axis_is_called_as_they_are(
    inputs: list[list[Any]], output: list[Any], interact: bool
):
    made = [tensor(f"x{n}", shape=shape) for n, shape in enumerate(inputs)]

    signature = read_signature(model(made, [tensor("y", shape=output)]))

    assert signature.rows_interact is interact
    assert Signature.from_json(signature.to_json()) == signature


def test_weights_say_nothing_of_the_rows():
    weights = onnx.numpy_helper.from_array(np.ones((3, 200), np.float32), "w")
    given = [tensor("x", shape=["n", 3]), tensor("w", shape=["m", "n"])]

    assert not read_signature(model(given, [tensor("y", shape=["n"])], [weights])).rows_interact
