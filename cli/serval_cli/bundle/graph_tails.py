"""End a graph one operator earlier where its outputs are not tensors.

Exporters end classifiers in ZipMap, which turns each row of probabilities into a dictionary, and
models with several outputs in a list of tensors. The inputs of these operators become the outputs.
"""

import json
from collections.abc import Mapping, Sequence

from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, helper

from serval.bundles.verification.leniency import infer_shapes, relax_graph
from serval.foreign import refusing

LABELS = "serval.labels."
"""Metadata key of an output's labels, completed by the output's name; the value is a JSON array."""

IDENTITY_OPSET = 13


class NoTypes(Exception):
    """The types of the graph's values cannot be inferred."""


def end_in_tensors(model: ModelProto) -> list[str]:
    """Rewrite outputs into tensors where possible, and describe the changes."""
    outputs = list(model.graph.output)
    if all(output.type.HasField("tensor_type") for output in outputs):
        return []
    types = infer_types(model)
    notes: list[str] = []
    import_identity(model)
    del model.graph.output[:]
    for output in outputs:
        found = (
            None if output.type.HasField("tensor_type") else tensors_behind(model, output, types)
        )
        model.graph.output.extend([output] if found is None else found)
        if found is not None:
            notes.append(describe_change(output, found, labels_of(model, output.name)))
    return notes


def labels_of(model: ModelProto, output: str) -> list[str | int] | None:
    """Read the labels of an output's columns from the metadata."""
    found = (p.value for p in model.metadata_props if p.key == LABELS + output)
    value = next(found, None)
    return None if value is None else list(json.loads(value))


def describe_change(
    output: ValueInfoProto, found: Sequence[ValueInfoProto], labels: Sequence[object] | None
) -> str:
    """Describe what an output has become."""
    if labels is not None:
        return (
            f"output {output.name!r} is the tensor that ZipMap made dictionaries of; its "
            f"{len(labels)} columns are the labels that the graph's metadata have under "
            f"{LABELS + output.name!r}"
        )
    names = ", ".join(repr(value.name) for value in found)
    return f"output {output.name!r} was a list of tensors, each of which is an output now: {names}"


def import_identity(model: ModelProto) -> None:
    """Import ONNX's own operators, which a graph of trees alone does not import."""
    if not any(opset.domain in ("", "ai.onnx") for opset in model.opset_import):
        model.opset_import.append(helper.make_opsetid("", IDENTITY_OPSET))


def infer_types(model: ModelProto) -> Mapping[str, ValueInfoProto]:
    """Infer the types of all values, by name."""
    graph = model.graph
    try:
        with refusing(NoTypes):
            graph = infer_shapes(relax_graph(model)).graph
    except NoTypes:
        pass
    return {value.name: value for value in (*graph.value_info, *graph.input, *graph.output)}


def tensors_behind(
    model: ModelProto, output: ValueInfoProto, types: Mapping[str, ValueInfoProto]
) -> list[ValueInfoProto] | None:
    """Expose the tensors behind an output, or return None if it is made in some other way."""
    node = node_making(model.graph, output.name)
    if node is not None and node.op_type == "ZipMap" and not is_read(model.graph, output.name):
        return [bypass_zipmap(model, node, output.name, types)]
    parts = list_elements(model.graph, output.name)
    if not parts or not all(part in types for part in parts):
        return None
    names = unused_names(model.graph, output.name, len(parts))
    return [
        add_alias(model.graph, types[part], part, name)
        for part, name in zip(parts, names, strict=True)
    ]


def add_alias(graph: GraphProto, kind: ValueInfoProto, value: str, name: str) -> ValueInfoProto:
    """Add a value under another name and return its description."""
    graph.node.append(helper.make_node("Identity", [value], [name]))
    described = ValueInfoProto()
    described.CopyFrom(kind)
    described.name = name
    return described


def bypass_zipmap(
    model: ModelProto, node: NodeProto, output: str, types: Mapping[str, ValueInfoProto]
) -> ValueInfoProto:
    """Replace ZipMap by its input, and keep its labels as metadata."""
    [source] = node.input
    attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    texts = [label.decode() for label in attributes.get("classlabels_strings", [])]
    labels = texts or list(attributes.get("classlabels_int64s", []))
    model.metadata_props.add(key=LABELS + output, value=json.dumps(labels, ensure_ascii=False))
    node.CopyFrom(helper.make_node("Identity", [source], [output]))
    value = helper.make_tensor_value_info(output, TensorProto.FLOAT, [None, len(labels)])
    if source in types and types[source].type.tensor_type.HasField("shape"):
        value.type.CopyFrom(types[source].type)
    return value


def list_elements(graph: GraphProto, name: str) -> list[str] | None:
    """Name the tensors in a list, or return None if only a run can tell."""
    inserted: list[str] = []
    while (node := node_making(graph, name)) is not None:
        if node.op_type == "SequenceConstruct":
            return [*node.input, *reversed(inserted)]
        if node.op_type == "SequenceEmpty":
            return inserted[::-1]
        if node.op_type == "SequenceInsert" and len(node.input) == 2:
            inserted.append(node.input[1])
        elif node.op_type != "Identity":
            return None
        name = node.input[0]
    return None


def node_making(graph: GraphProto, name: str) -> NodeProto | None:
    """Find the node that computes a value."""
    return next((node for node in graph.node if name in node.output), None)


def is_read(graph: GraphProto, name: str) -> bool:
    """Return whether any node reads a value."""
    return any(name in node.input for node in graph.node)


def unused_names(graph: GraphProto, name: str, count: int) -> list[str]:
    """Return unused names for the elements of a list."""
    taken = {value for node in graph.node for value in node.output}
    while any(f"{name}_{number}" in taken for number in range(count)):
        name += "_"
    return [f"{name}_{number}" for number in range(count)]
