"""serval_cli/bundle/graph_tails.py: other outputs become tensors, with the same values."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from serval.bundles.verification.graph import checker_reasons, graph_reasons
from serval.bundles.verification.graph_signature import signature_of
from serval_cli.bundle.graph_tails import end_in_tensors, labels_of
from serval_cli.bundle.skeleton import read_graph, write_readme

X = np.array([[0.25, -1.0, 3.0], [5.0, 0.5, -0.5]], np.float32)
value = helper.make_tensor_value_info
FLOATS = helper.make_tensor_type_proto(TensorProto.FLOAT, [None, 3])


def model(nodes: list[Any], outputs: list[Any], *opsets: str) -> ModelProto:
    graph = helper.make_graph(nodes, "g", [value("x", TensorProto.FLOAT, [None, 3])], outputs)
    versions = {"": 17, "ai.onnx.ml": 3}
    imports = [helper.make_opsetid(domain, versions[domain]) for domain in opsets]
    return helper.make_model(graph, opset_imports=imports, ir_version=8)


def dictionaries(**labels: Any) -> ModelProto:
    """Build a classifier that ends as exporters of trees let it, with no other operators."""
    key = TensorProto.STRING if "classlabels_strings" in labels else TensorProto.INT64
    kind = helper.make_sequence_type_proto(
        helper.make_map_type_proto(key, helper.make_tensor_type_proto(TensorProto.FLOAT, []))
    )
    nodes = [
        helper.make_node("Normalizer", ["x"], ["p"], domain="ai.onnx.ml", norm="L1"),
        helper.make_node("ZipMap", ["p"], ["probabilities"], domain="ai.onnx.ml", **labels),
    ]
    return model(nodes, [helper.make_value_info("probabilities", kind)], "ai.onnx.ml")


def answers(made: ModelProto) -> list[Any]:
    session = onnxruntime.InferenceSession(made.SerializeToString())
    return list(session.run(None, {"x": X}))


@pytest.mark.parametrize(
    "labels",
    [{"classlabels_int64s": [10, 20, 30]}, {"classlabels_strings": ["low", "mäßig", "high"]}],
)
def test_dictionaries_become_the_tensor_that_they_were_made_of(labels: dict[str, Any]) -> None:
    published = dictionaries(**labels)
    [rows] = answers(published)
    [note] = end_in_tensors(published)
    [tensor] = answers(published)
    names = labels_of(published, "probabilities")
    assert names == next(iter(labels.values()))
    assert [dict(zip(names, row, strict=True)) for row in tensor.tolist()] == rows
    assert "'serval.labels.probabilities'" in note
    assert graph_reasons(published, "m.onnx", {}) == checker_reasons(published, "m.onnx") == []
    assert signature_of(published).outputs[0].shape == (-1, 3)


def graph_with_list(how: str) -> ModelProto:
    """Build a graph that ends in a list of two tensors."""
    parts = [helper.make_node("Relu", ["x"], ["a"]), helper.make_node("Neg", ["x"], ["b"])]
    tails = {
        "at once": [helper.make_node("SequenceConstruct", ["a", "b"], ["both"])],
        "one by one": [
            helper.make_node("SequenceEmpty", [], ["none"]),
            helper.make_node("SequenceInsert", ["none", "a"], ["one"]),
            helper.make_node("SequenceInsert", ["one", "b"], ["both"]),
        ],
        "renamed": [
            helper.make_node("SequenceConstruct", ["a", "b"], ["inner"]),
            helper.make_node("Identity", ["inner"], ["both"]),
        ],
        "of parts": [helper.make_node("SplitToSequence", ["x"], ["both"], axis=1)],
    }
    both = helper.make_value_info("both", helper.make_sequence_type_proto(FLOATS))
    return model([*parts, *tails[how]], [both, value("a", TensorProto.FLOAT, [None, 3])], "")


@pytest.mark.parametrize("how", ["at once", "one by one", "renamed"])
def test_a_list_of_tensors_becomes_an_output_each(how: str) -> None:
    published = graph_with_list(how)
    [both, alone] = answers(published)
    [note] = end_in_tensors(published)
    assert note.endswith("each of which is an output now: 'both_0', 'both_1'")
    assert [output.name for output in published.graph.output] == ["both_0", "both_1", "a"]
    for found, wanted in zip(answers(published), [*both, alone], strict=True):
        assert np.array_equal(found, wanted)
    assert checker_reasons(published, "m.onnx") == []
    assert [spec.shape for spec in signature_of(published).outputs] == [(-1, 3)] * 3


def test_a_list_whose_length_the_input_decides_stays() -> None:
    published = graph_with_list("of parts")
    before = published.SerializeToString()
    assert end_in_tensors(published) == []
    assert published.graph.output[0].type.HasField("sequence_type")
    assert published.SerializeToString() == before


def test_tensors_stay_as_they_are() -> None:
    published = model([helper.make_node("Relu", ["x"], ["y"])], [value("y", 1, [None, 3])], "")
    before = published.SerializeToString()
    assert end_in_tensors(published) == []
    assert published.SerializeToString() == before


def test_new_names_are_of_nothing_else() -> None:
    published = graph_with_list("at once")
    published.graph.node.append(helper.make_node("Neg", ["b"], ["both_1"]))
    end_in_tensors(published)
    assert [output.name for output in published.graph.output] == ["both__0", "both__1", "a"]


def test_the_readme_of_a_bundle_names_the_labels(tmp_path: Path) -> None:
    published = dictionaries(classlabels_strings=["low", "middle", "high"])
    onnx.save(published, tmp_path / "net.onnx")
    graph = read_graph(tmp_path / "net.onnx")
    graph.copy_to(tmp_path)
    kept = onnx.load(tmp_path / "model.onnx").metadata_props
    assert [json.loads(p.value) for p in kept] == [["low", "middle", "high"]]
    assert "- Columns of `probabilities`, in order: low, middle, high" in write_readme("m", graph)


def test_external_data_of_a_rewritten_graph_stay_where_they_are(tmp_path: Path) -> None:
    published = graph_with_list("at once")
    published.graph.initializer.append(numpy_helper.from_array(np.ones((3, 3), np.float32), "w"))
    published.graph.node[0].CopyFrom(helper.make_node("MatMul", ["x", "w"], ["a"]))
    [[first, _], _] = answers(published)
    onnx.save(
        published,
        tmp_path / "net.onnx",
        save_as_external_data=True,
        location="w.data",
        size_threshold=0,
    )
    (tmp_path / "made").mkdir()
    read_graph(tmp_path / "net.onnx").copy_to(tmp_path / "made")
    session = onnxruntime.InferenceSession(tmp_path / "made" / "model.onnx")
    assert np.array_equal(session.run(["both_0"], {"x": X})[0], first)
