"""The onnx runtime: every datatype goes in and comes out."""

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from serval.errors import InvalidInputs, InvalidTensor
from serval.protocol.binary_tensors import bytes_array
from serval.runtimes import ArtifactUnreadable
from serval.runtimes.onnx import OnnxModel, session_options
from serval.signatures import TensorSpec
from serval.tensors import DATATYPES, Tensor
from tests.fakes.inference import graph, identity


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


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    model = opened(tmp_path, identity("BYTES", ["n"]))
    with pytest.raises(InvalidTensor, match="tensor 'x': a BYTES element is not UTF-8"):
        model.run([Tensor("x", "BYTES", bytes_array([b"\xff"], [1]))], [])


def test_extents_that_share_a_name_must_be_equal(tmp_path: Path) -> None:
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
