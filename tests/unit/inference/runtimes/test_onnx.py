"""The onnx runtime: every datatype goes in and comes out."""

import threading
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from serval.errors import InvalidInputs, InvalidTensor
from serval.inference.runtimes import ArtifactUnreadable, RuntimeFailed
from serval.inference.runtimes.onnx import (
    CPU,
    CUDA,
    Execution,
    OnnxModel,
    graph_opening,
    session_options,
)
from serval.models.signature import TensorSpec
from serval.models.tensor import DATATYPES, Tensor
from serval.protocol.binary_tensors import bytes_array
from tests.fakes.inference import graph, identity, signature, version_record


def opened(folder: Path, artifact: bytes) -> OnnxModel:
    path = folder / "model.onnx"
    path.write_bytes(artifact)
    return OnnxModel(path, 1769)


@pytest.mark.parametrize("datatype", sorted(DATATYPES))
def test_every_datatype_goes_through(tmp_path: Path, datatype: str) -> None:
    if datatype == "BYTES":
        array = bytes_array(["é".encode(), b"", b"abc"], [3])
    else:
        array = np.array([0, 1, 1], DATATYPES[datatype])
    model = opened(tmp_path, identity(datatype, ["n"]))
    [answer] = model.run([Tensor("x", datatype, array)], [TensorSpec("y", datatype, (-1,))])
    assert (answer.name, answer.datatype) == ("y", datatype)
    assert answer.array.tolist() == array.tolist()


@pytest.mark.parametrize(("shape", "kept"), [([-1, 4], True), ([-1, -1], False)])
def test_a_graph_of_texts_keeps_no_plan_of_memory_for_each_length(
    tmp_path: Path, shape: list[int], kept: bool
) -> None:
    artifact = identity("FP32", ["rows", "length" if -1 in shape[1:] else 4])
    (tmp_path / "model.onnx").write_bytes(artifact)
    record = version_record("m", "1", artifact, signature("FP32", shape))
    model = graph_opening(1769)(record, tmp_path / "model.onnx", None)
    assert isinstance(model, OnnxModel)
    assert model._session.get_session_options().enable_mem_pattern is kept


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    model = opened(tmp_path, identity("BYTES", ["n"]))
    with pytest.raises(InvalidTensor, match="tensor 'x': a BYTES element is not UTF-8"):
        model.run([Tensor("x", "BYTES", bytes_array([b"\xff"], [1]))], [])


def test_extents_that_share_a_name_may_differ_where_the_model_answers(tmp_path: Path) -> None:
    artifact = graph(
        [("texts", TensorProto.FLOAT, ["rows", 2]), ("image", TensorProto.FLOAT, ["rows", 2])],
        [("y", TensorProto.FLOAT, ["rows", "rows"])],
        [
            helper.make_node("Transpose", ["texts"], ["t"]),
            helper.make_node("MatMul", ["image", "t"], ["y"]),
        ],
    )
    texts, image = np.ones((3, 2), np.float32), np.ones((1, 2), np.float32)
    [answer] = opened(tmp_path, artifact).run(
        [Tensor("texts", "FP32", texts), Tensor("image", "FP32", image)],
        [TensorSpec("y", "FP32", (-1, -1))],
    )
    assert answer.array.tolist() == [[2.0, 2.0, 2.0]]


def test_where_the_model_fails_extents_that_share_a_name_must_be_equal(tmp_path: Path) -> None:
    artifact = graph(
        [("a", TensorProto.FLOAT, ["rows"]), ("b", TensorProto.FLOAT, ["rows"])],
        [("y", TensorProto.FLOAT, ["rows"])],
        [helper.make_node("Add", ["a", "b"], ["y"])],
    )
    model = opened(tmp_path, artifact)
    two, three = np.ones(2, np.float32), np.ones(3, np.float32)
    message = "extent 'rows' is 2 in tensor 'a' and 3 in tensor 'b': they must be equal"
    with pytest.raises(InvalidInputs, match=message):
        model.run(
            [Tensor("a", "FP32", two), Tensor("b", "FP32", three)], [TensorSpec("y", "FP32", (-1,))]
        )


def test_a_file_that_is_no_graph_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(ArtifactUnreadable):
        opened(tmp_path, b"not a graph")


@pytest.mark.parametrize(("memory_mib", "threads"), [(512, 1), (1769, 1), (3538, 2), (10240, 5)])
def test_threads_follow_the_memory_size(memory_mib: int, threads: int) -> None:
    assert session_options(memory_mib).intra_op_num_threads == threads


def long_graph(nodes: int = 3000, size: int = 256) -> bytes:
    """Give a graph that multiplies ``x`` with itself again and again."""
    names = ["x", *(f"h{number}" for number in range(nodes - 1)), "y"]
    steps = [
        helper.make_node("MatMul", [before, "x"], [after]) for before, after in pairwise(names)
    ]
    shape = [size, size]
    return graph([("x", TensorProto.FLOAT, shape)], [("y", TensorProto.FLOAT, shape)], steps)


def test_a_run_is_interrupted_from_another_thread(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(long_graph())
    model = OnnxModel(path, 0, execution=Execution(threads=1))
    x = [Tensor("x", "FP32", np.zeros((256, 256), np.float32))]
    timer = threading.Timer(0.02, model.interrupt)
    timer.start()
    with pytest.raises(RuntimeFailed, match="terminate"):
        model.run(x, [TensorSpec("y", "FP32", (256, 256))])
    with pytest.raises(RuntimeFailed, match="terminate"):
        model.run(x, [TensorSpec("y", "FP32", (256, 256))])


def test_a_provider_that_is_not_there_is_not_replaced_in_silence(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(identity("FP32", ["n"]))
    # onnxruntime's own warning that the provider is not installed is what this is about.
    with (
        pytest.warns(UserWarning, match="CUDAExecutionProvider"),
        pytest.raises(ArtifactUnreadable, match="ONNX Runtime gives CPUExecutionProvider"),
    ):
        OnnxModel(path, 0, execution=Execution(1, (CUDA, CPU)))
