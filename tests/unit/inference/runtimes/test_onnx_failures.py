"""What the runtime says of a failed run: the caller's data or not, and without its internals."""

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from serval.errors import InvalidInputs
from serval.inference.runtimes import RuntimeFailed
from serval.inference.runtimes.onnx import OnnxModel
from serval.inference.runtimes.onnx_failures import blames_inputs, simplify
from serval.models.signature import TensorSpec
from serval.models.tensor import Array, Tensor
from tests.fakes.inference import graph

FAILED = "[ONNXRuntimeError] : 1 : FAIL : Non-zero status code returned while running"
OUT_OF_MEMORY = (
    f"{FAILED} Expand node. Name:'' Status Message: /onnxruntime_src/onnxruntime/core/framework/"
    "bfc_arena.cc:360 void* onnxruntime::BFCArena::AllocateRawInternal(size_t, bool, "
    "onnxruntime::Stream*) Failed to allocate memory for requested buffer of size 4000000\n"
)
CUDA_BROKEN = f"{FAILED} Conv node. Name:'c' Status Message: CUDNN failure 4: INTERNAL_ERROR"


def constant(name: str, array: Array) -> TensorProto:
    return numpy_helper.from_array(array, name)


def positions() -> bytes:
    """Make an encoder's first layer, with a table of 64 positions."""
    return graph(
        [("ids", TensorProto.INT64, ["b", "s"])],
        [("y", TensorProto.FLOAT, ["b", "t", 8])],
        [
            helper.make_node("Gather", ["table", "ids"], ["e"]),
            helper.make_node("Add", ["e", "positions"], ["y"], name="add"),
        ],
        [
            constant("table", np.ones((50, 8), np.float32)),
            constant("positions", np.ones((1, 64, 8), np.float32)),
        ],
    )


def image_head() -> bytes:
    """Make a classifier's head, for images of one size."""
    return graph(
        [("x", TensorProto.FLOAT, ["b", 3, "h", "w"])],
        [("y", TensorProto.FLOAT, ["b", "c"])],
        [
            helper.make_node("Reshape", ["x", "shape"], ["flat"]),
            helper.make_node("MatMul", ["flat", "weights"], ["y"]),
        ],
        [
            constant("shape", np.array([0, -1])),
            constant("weights", np.ones((12, 2), np.float32)),
        ],
    )


def one_hot() -> bytes:
    """Make an encoder that knows two categories, and no other."""
    node = helper.make_node(
        "OneHotEncoder", ["x"], ["y"], domain="ai.onnx.ml", cats_strings=["a", "b"], zeros=0
    )
    return graph(
        [("x", TensorProto.STRING, ["b", 1])], [("y", TensorProto.FLOAT, ["b", 1, 2])], [node]
    )


@pytest.mark.parametrize(
    ("artifact", "sent", "says"),
    [
        (
            positions(),
            Tensor("ids", "INT64", np.zeros((1, 100), np.int64)),
            "its operator Add (node 'add') says: Attempting to broadcast an axis by a dimension "
            "other than 1. 64 by 100",
        ),
        (
            positions(),
            Tensor("ids", "INT64", np.full((1, 64), 99)),
            "its operator Gather says: indices element out of data bounds, idx=99 must be within "
            "the inclusive range [-50,49]",
        ),
        (
            image_head(),
            Tensor("x", "FP32", np.zeros((1, 3, 3, 3), np.float32)),
            "its operator MatMul says: MatMul dimension mismatch",
        ),
        (
            one_hot(),
            Tensor("x", "BYTES", np.array([[b"c"]], object)),
            "its operator OneHotEncoder says: Unknown Category and zeros = 0.",
        ),
    ],
    ids=["text over the positions", "token out of the table", "image of another size", "category"],
)
def test_what_an_operator_cannot_work_on_is_the_callers(
    tmp_path: Path, artifact: bytes, sent: Tensor, says: str
) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(artifact)
    with pytest.raises(InvalidInputs) as refused:
        OnnxModel(path, 1769).run([sent], [TensorSpec("y", "FP32", (-1, -1))])
    assert str(refused.value) == f"the model cannot answer these inputs: {says}"


def test_a_run_that_the_memory_does_not_suffice_for_is_not_the_callers(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(
        graph(
            [("x", TensorProto.FLOAT, ["n"])],
            [("y", TensorProto.FLOAT, ["a", "b", "c"])],
            [helper.make_node("Expand", ["x", "shape"], ["y"])],
            [constant("shape", np.array([10**6, 10**6, 10**4]))],
        )
    )
    with pytest.raises(RuntimeFailed, match=r"^its operator Expand says: Failed to allocate"):
        OnnxModel(path, 1769).run(
            [Tensor("x", "FP32", np.ones(1, np.float32))], [TensorSpec("y", "FP32", (-1, -1, -1))]
        )


@pytest.mark.parametrize("message", [OUT_OF_MEMORY, CUDA_BROKEN, "Exiting due to terminate flag"])
def test_memory_the_accelerator_and_an_interruption_are_no_matter_of_inputs(message: str) -> None:
    assert not blames_inputs(message)


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (
            f"{FAILED} MaxPool node. Name:'' Status Message: /onnxruntime_src/onnxruntime/core/"
            "providers/cpu/nn/pool_attributes.h:236 int64_t onnxruntime::PoolAttributes::"
            "ComputeOutputSize(int64_t, int64_t) const out_size >= 0 was false. Calculated output "
            "dimension is negative. Check kernel_shape, pads, strides and dilations.\n",
            "its operator MaxPool says: Calculated output dimension is negative. Check "
            "kernel_shape, pads, strides and dilations.",
        ),
        (
            f"{FAILED} Concat node. Name:'' Status Message: concatbase.h:133 PrepareForComputeImpl "
            "Non concat axis dimensions must match: Axis 0 has mismatched dimensions of 1 and 3",
            "its operator Concat says: Non concat axis dimensions must match: Axis 0 has "
            "mismatched dimensions of 1 and 3",
        ),
        (
            "[ONNXRuntimeError] : 2 : INVALID_ARGUMENT : Got invalid dimensions for input: x for "
            "the following indices\n index: 1 Got: 5 Expected: 4\n Please fix either the "
            "inputs/outputs or the model.",
            "Got invalid dimensions for input: x for the following indices index: 1 Got: 5 "
            "Expected: 4 Please fix either the inputs/outputs or the model.",
        ),
        (
            OUT_OF_MEMORY,
            "its operator Expand says: Failed to allocate memory for requested buffer of size "
            "4000000",
        ),
    ],
)
def test_a_caller_reads_no_source_files_and_no_signatures(message: str, words: str) -> None:
    assert simplify(message) == words
