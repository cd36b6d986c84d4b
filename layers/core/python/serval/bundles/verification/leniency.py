"""Relax a graph for the checker, which refuses some things that ONNX Runtime accepts.

ONNX Runtime sorts nodes and infers shapes itself, adds operator sets that are not imported, and
needs no name for a graph. Weights are left out, because the checker would read them all without
checking their values.
"""

from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter

import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper

from serval.bundles.verification.external_data import external_tensors, with_external_data
from serval.bundles.verification.subgraphs import nodes_of

WEIGHT_BYTES = 1024
"""Smaller initializers stay, because shapes may depend on their values."""
IR_OF_FREE_INITIALIZERS = 4
"""The version of the format since which initializers need not be inputs."""
OPSETS = {"ai.onnx.ml": 5, "com.microsoft": 1}
"""ONNX Runtime's own operator sets, for models that import none."""


def relax_graph(model: ModelProto) -> ModelProto:
    """Copy a graph with its nodes in order, and without weights and inferred shapes."""
    made = ModelProto(ir_version=max(model.ir_version, IR_OF_FREE_INITIALIZERS))
    made.opset_import.extend(model.opset_import)
    made.functions.extend(model.functions)
    published = model.graph
    made.graph.name = published.name or "graph"
    made.graph.input.extend(published.input)
    made.graph.output.extend(published.output)
    for output in made.graph.output:
        if output.type.HasField("tensor_type"):
            output.type.tensor_type.shape.SetInParent()
    made.graph.node.extend(sort_nodes(published.node))
    _keep_small(made.graph, published)
    for tensor in list(external_tensors(made)):
        _empty(tensor)
    _import_opsets(made)
    return made


def infer_shapes(model: ModelProto) -> ModelProto:
    """Infer every shape, even those of outputs that declare one.

    The ``onnx`` package may raise anything if types or shapes contradict each other.
    """
    bare = ModelProto()
    bare.CopyFrom(model)
    for output in bare.graph.output:
        if output.type.HasField("tensor_type"):
            output.type.tensor_type.ClearField("shape")
    return onnx.shape_inference.infer_shapes(bare, check_type=True, strict_mode=True)


def sort_nodes(nodes: Iterable[NodeProto]) -> list[NodeProto]:
    """Sort nodes so that each follows those whose outputs it reads; keep the order of a cycle."""
    listed = list(nodes)
    made_by = {name: at for at, node in enumerate(listed) for name in node.output if name}
    sorter: TopologicalSorter[int] = TopologicalSorter()
    for at, node in enumerate(listed):
        sorter.add(at, *sorted({made_by[name] for name in names_read(node) if name in made_by}))
    try:
        return [listed[at] for at in sorter.static_order()]
    except CycleError:
        return listed


def names_read(node: NodeProto) -> set[str]:
    """Collect the names that a node reads, also in its branches and loop bodies."""
    found, waiting = set(node.input), [node]
    while waiting:
        for attribute in waiting.pop().attribute:
            for graph in (attribute.g, *attribute.graphs):
                for inner in graph.node:
                    found.update(inner.input)
                    waiting.append(inner)
                found.update(output.name for output in graph.output)
    return found


def _keep_small(graph: GraphProto, published: GraphProto) -> None:
    """Keep small initializers, and turn the others into inputs of their type and shape."""
    given = {value.name for value in graph.input}
    for tensor in published.initializer:
        if tensor.ByteSize() <= WEIGHT_BYTES and not any(with_external_data([tensor])):
            graph.initializer.append(tensor)
        elif tensor.name not in given:
            graph.input.append(
                helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))
            )
    for sparse in published.sparse_initializer:
        graph.input.append(
            helper.make_tensor_value_info(
                sparse.values.name, sparse.values.data_type, list(sparse.dims)
            )
        )


def _empty(tensor: TensorProto) -> None:
    """Drop a tensor's external data, and its shape with them."""
    tensor.ClearField("external_data")
    tensor.ClearField("data_location")
    del tensor.dims[:]
    tensor.dims.append(0)


def _import_opsets(model: ModelProto) -> None:
    """Import operator sets that nodes use without an import; ``ai.onnx`` is the same as ''."""
    used = set()
    for node in nodes_of(model):
        if node.domain == "ai.onnx":
            node.domain = ""
        used.add(node.domain)
    imported = {opset.domain for opset in model.opset_import}
    for domain in sorted(used - imported):
        if domain in OPSETS:
            model.opset_import.append(helper.make_opsetid(domain, OPSETS[domain]))
