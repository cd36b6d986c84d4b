"""Two decoders as one graph that ``use_cache_branch`` chooses in, as optimum merges them."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def merge(bundle: Path) -> None:
    """Put decoder_model.onnx and decoder_with_past_model.onnx into decoder_model_merged.onnx."""
    first = onnx.load(bundle / "decoder_model.onnx")
    later = onnx.load(bundle / "decoder_with_past_model.onnx")
    names = [output.name for output in first.graph.output]
    have = {output.name for output in later.graph.output}
    absent = [
        helper.make_node(
            "Constant",
            [],
            [name],
            value=numpy_helper.from_array(np.zeros((0, 2, 1, 8), np.float32)),
        )
        for name in names
        if name not in have
    ]
    branches = []
    for graph, more, mark in ((later.graph, absent, "later"), (first.graph, [], "first")):
        rename(graph, mark, {value.name for value in graph.input} | set(names))
        own = {output.name: output for output in graph.output}
        outputs = [
            helper.make_tensor_value_info(f"{name}_{mark}", TensorProto.FLOAT, None)
            for name in names
        ]
        copies = [helper.make_node("Identity", [name], [f"{name}_{mark}"]) for name in names]
        assert own
        nodes = [*graph.node, *more, *copies]
        for node in nodes:
            for at, output in enumerate(node.output):
                if output in names:
                    node.output[at] = f"{output}_{mark}_raw"
            for at, given in enumerate(node.input):
                if given in names:
                    node.input[at] = f"{given}_{mark}_raw"
        branches.append(
            helper.make_graph(nodes, mark, [], outputs, initializer=list(graph.initializer))
        )
    choose = helper.make_node(
        "If", ["use_cache_branch"], names, then_branch=branches[0], else_branch=branches[1]
    )
    inputs = {value.name: value for value in [*first.graph.input, *later.graph.input]}
    flag = helper.make_tensor_value_info("use_cache_branch", TensorProto.BOOL, [1])
    graph = helper.make_graph(
        [choose], "merged", [*inputs.values(), flag], list(first.graph.output)
    )
    model = helper.make_model(graph, opset_imports=list(first.opset_import))
    model.ir_version = first.ir_version
    onnx.checker.check_model(model)
    onnx.save(model, bundle / "decoder_model_merged.onnx")
    (bundle / "decoder_model.onnx").unlink()
    (bundle / "decoder_with_past_model.onnx").unlink()


def rename(graph: onnx.GraphProto, mark: str, keep: set[str]) -> None:
    """Give what a graph names for itself names of its own: both branches share one scope."""

    def own(name: str) -> str:
        return name if not name or name in keep else f"{mark}/{name}"

    for node in graph.node:
        node.input[:] = [own(name) for name in node.input]
        node.output[:] = [own(name) for name in node.output]
        for attribute in node.attribute:
            if attribute.HasField("g"):
                rename(attribute.g, mark, keep)
    for tensor in graph.initializer:
        tensor.name = own(tensor.name)
