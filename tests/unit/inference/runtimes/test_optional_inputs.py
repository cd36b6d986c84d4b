"""Initializers that may be overridden are inputs that a request may leave out."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from serval.bundles.onnx_signature import read_signature
from serval.bundles.verification.graph import checker_reasons
from serval.bundles.verification.graph_signature import signature_of
from serval.errors import BundleRefused, InvalidRequest
from serval.inference.batching import has_optional_inputs
from serval.inference.runtimes.onnx import OnnxModel
from serval.models.metadata import model_config
from serval.models.signature import Signature, TensorSpec
from serval.models.version import ModelVersion
from serval.protocol.request import InferenceRequest, read_request
from serval.rollouts.comparison import signature_changes
from serval.rollouts.forms.forms import save_form
from serval.rollouts.golden.sample import make_samples

FACTOR = TensorSpec("factor", "FP32", (1,))
X = {"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [1.0, 2.0]}


def scaling(factor: int = 1, ir_version: int = 8, *, listed: bool = True) -> ModelProto:
    """Give a model that multiplies ``x`` by weights, and by a factor that is 3 unless given."""
    value = helper.make_tensor_value_info
    inputs = [value("x", TensorProto.FLOAT, ["rows", 2])]
    if listed:
        inputs.append(value("factor", TensorProto.FLOAT, [factor]))
    graph = helper.make_graph(
        [
            helper.make_node("Mul", ["x", "w"], ["m"]),
            helper.make_node("Mul", ["m", "factor"], ["y"]),
        ],
        "g",
        inputs,
        [value("y", TensorProto.FLOAT, ["rows", 2])],
        [
            numpy_helper.from_array(np.array([[1, 10]], np.float32), "w"),
            numpy_helper.from_array(np.full(factor, 3, np.float32), "factor"),
        ],
    )
    opsets = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=ir_version)


def test_an_initializer_whose_name_is_not_text_is_refused() -> None:
    body = scaling().SerializeToString().replace(b"factor", b"fact\xffr")
    with pytest.raises(BundleRefused, match="an initializer's name is not UTF-8"):
        signature_of(ModelProto.FromString(body))


def test_an_initializer_among_the_inputs_is_an_optional_input() -> None:
    signature = read_signature(scaling())
    assert [spec.name for spec in signature.inputs] == ["x"]
    assert signature.optional == (FACTOR,)
    assert signature_of(scaling()) == signature
    assert checker_reasons(scaling(), "model.onnx") == []
    assert Signature.from_json(json.loads(json.dumps(signature.to_json()))) == signature


@pytest.mark.parametrize("model", [scaling(ir_version=3), scaling(listed=False)])
def test_other_initializers_are_none(model: ModelProto) -> None:
    signature = read_signature(model)
    assert signature.optional == ()
    assert "optional_inputs" not in signature.to_json()


def test_weights_that_an_exporter_lists_by_custom_are_none() -> None:
    model = scaling(factor=1000)
    model.graph.input.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, [1, 2]))
    assert read_signature(model).optional == ()


def asked(*extra: object) -> InferenceRequest:
    body = json.dumps({"inputs": [X, *extra]})
    return read_request(body, None, read_signature(scaling()))


def override(value: float) -> dict[str, object]:
    return {"name": "factor", "datatype": "FP32", "shape": [1], "data": [value]}


@pytest.mark.parametrize("form", ["published", "portable", "laid out"])
def test_a_request_may_leave_it_out_or_override_it(tmp_path: Path, form: str) -> None:
    path = tmp_path / "model.onnx"
    onnx.save(scaling(), path)
    if form != "published":
        save_form(path, tmp_path / "form", laid_out=form == "laid out")
        path = tmp_path / "form" / "model.onnx"
    model, outputs = OnnxModel(path, 1769), read_signature(scaling()).outputs
    [plain] = model.run(asked().inputs, outputs)
    [overridden] = model.run(asked(override(5.0)).inputs, outputs)
    assert plain.array.tolist() == [[3.0, 60.0]]
    assert overridden.array.tolist() == [[5.0, 100.0]]


def test_what_is_given_must_fit_all_the_same() -> None:
    with pytest.raises(InvalidRequest, match=r"tensor 'factor': shape \[2\] given, \[1\] expected"):
        asked({**override(1.0), "shape": [2], "data": [1.0, 2.0]})
    with pytest.raises(InvalidRequest, match="input 'x' is missing"):
        read_request(json.dumps({"inputs": [override(1.0)]}), None, read_signature(scaling()))
    with pytest.raises(InvalidRequest, match="input 'w' is unknown: the model takes x, factor"):
        asked({**override(1.0), "name": "w"})


def test_made_up_inputs_leave_it_out() -> None:
    [inputs] = make_samples(read_signature(scaling()))
    assert [tensor.name for tensor in inputs] == ["x"]


def test_a_request_that_overrides_runs_alone() -> None:
    signature = read_signature(scaling())
    assert not has_optional_inputs(asked().inputs, signature)
    assert has_optional_inputs(asked(override(5.0)).inputs, signature)


def test_a_triton_configuration_says_that_it_is_optional() -> None:
    record = ModelVersion(
        model="m",
        version="1",
        digest="",
        created="",
        artifact="model.onnx",
        artifact_files=("model.onnx",),
        files=(),
        signature=read_signature(scaling()),
        bundle={},
    )
    assert model_config(record)["input"] == [
        {"name": "x", "data_type": "TYPE_FP32", "dims": [-1, 2]},
        {"name": "factor", "data_type": "TYPE_FP32", "dims": [1], "optional": True},
    ]


def test_a_version_that_has_one_more_is_told_apart() -> None:
    before, now = read_signature(scaling(listed=False)), read_signature(scaling())
    assert signature_changes(before, now) == ["optional input 'factor' is new (FP32 [1])"]
