"""Graphs with operators of onnxruntime-extensions."""

from pathlib import Path

import onnxruntime
import pytest
from onnx import TensorProto, helper

from serval.bundles.verification.graph import CONTRIB, CONTRIB_OPERATORS
from serval.inference.runtimes import ArtifactUnreadable
from serval.inference.runtimes import onnx_extensions as extensions
from serval.inference.runtimes.onnx import OnnxModel
from serval.models.tensor import Tensor
from serval.protocol.binary_tensors import bytes_array
from serval.rollouts.forms.forms import GRAPH, save_form


@pytest.fixture
def lowering(tmp_path: Path) -> Path:
    """Write a graph that lowers text."""
    return write_node(tmp_path, "StringLower")


def write_node(folder: Path, operator: str) -> Path:
    x, y = (helper.make_tensor_value_info(name, TensorProto.STRING, ["n"]) for name in "xy")
    made = helper.make_graph(
        [helper.make_node(operator, ["x"], ["y"], domain=CONTRIB)], "g", [x], [y]
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid(CONTRIB, 1)]
    model = helper.make_model(made, opset_imports=opsets, ir_version=9)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    return folder / "model.onnx"


def lowered(path: Path) -> list[bytes]:
    model = OnnxModel(path, 1769)
    text = Tensor("x", "BYTES", bytes_array([b"ABC", b"dE"], [2]))
    [answer] = model.run([text], model.outputs)
    found: list[bytes] = answer.array.tolist()
    return found


def test_a_graph_with_such_an_operator_answers(lowering: Path) -> None:
    assert lowered(lowering) == [b"abc", b"de"]


@pytest.mark.parametrize("laid_out", [False, True])
def test_so_does_its_optimised_form(lowering: Path, tmp_path: Path, laid_out: bool) -> None:
    save_form(lowering, tmp_path / "form", laid_out=laid_out)
    assert lowered(tmp_path / "form" / GRAPH) == [b"abc", b"de"]


def test_without_the_library_the_graph_is_refused_with_the_way_out(
    lowering: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extensions, "PACKAGE", "no_such_package_of_ours")
    with pytest.raises(ArtifactUnreadable, match="`pip install onnxruntime-extensions`"):
        OnnxModel(lowering, 1769)


@pytest.mark.parametrize("operator", sorted(CONTRIB_OPERATORS))
def test_the_library_has_every_operator_that_may_be_published(
    operator: str, tmp_path: Path
) -> None:
    path, options = write_node(tmp_path, operator), onnxruntime.SessionOptions()
    said = ""
    try:
        extensions.open_session(path, options, ["CPUExecutionProvider"])
    except Exception as error:
        said = str(error)
    assert "is not a registered" not in said
