"""Outputs that are no tensors, made into tensors: the graph ends one operator earlier.

Exporters of classifiers let it end in ZipMap, which makes a dictionary of every row of
probabilities, and those of models with several outputs in a list of tensors. What comes in there is
what goes out here.
"""

import json
from collections.abc import Mapping, Sequence

from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, helper

from serval.bundles.verification.leniency import lenient, with_shapes
from serval.foreign import refusing

LABELS = "serval.labels."
"""Before an output's name: the key of its labels in the graph's metadata, as a JSON array."""

IDENTITY_OPSET = 13


class NoTypes(Exception):
    """The types of the graph's values cannot be inferred."""


def end_in_tensors(model: ModelProto) -> list[str]:
    """Rewrite the tail of a graph, as far as it can be, and say what has been done."""
    outputs = list(model.graph.output)
    if all(output.type.HasField("tensor_type") for output in outputs):
        return []
    types = inferred_types(model)
    notes: list[str] = []
    import_identity(model)
    del model.graph.output[:]
    for output in outputs:
        found = None if output.type.HasField("tensor_type") else tensors(model, output, types)
        model.graph.output.extend([output] if found is None else found)
        if found is not None:
            notes.append(said(output, found, labels_of(model, output.name)))
    return notes


def labels_of(model: ModelProto, output: str) -> list[str | int] | None:
    """Read the labels of an output's columns from the metadata."""
    found = (p.value for p in model.metadata_props if p.key == LABELS + output)
    value = next(found, None)
    return None if value is None else list(json.loads(value))


def said(
    output: ValueInfoProto, found: Sequence[ValueInfoProto], labels: Sequence[object] | None
) -> str:
    """Say what an output has become."""
    if labels is not None:
        return (
            f"output {output.name!r} is the tensor that ZipMap made dictionaries of; its "
            f"{len(labels)} columns are the labels that the graph's metadata have under "
            f"{LABELS + output.name!r}"
        )
    names = ", ".join(repr(value.name) for value in found)
    return f"output {output.name!r} was a list of tensors, each of which is an output now: {names}"


def import_identity(model: ModelProto) -> None:
    """Import the operators of ONNX itself, as a model of trees alone does not."""
    if not any(opset.domain in ("", "ai.onnx") for opset in model.opset_import):
        model.opset_import.append(helper.make_opsetid("", IDENTITY_OPSET))


def inferred_types(model: ModelProto) -> Mapping[str, ValueInfoProto]:
    """Find the types of all values, by name."""
    graph = model.graph
    try:
        with refusing(NoTypes):
            graph = with_shapes(lenient(model)).graph
    except NoTypes:
        pass
    return {value.name: value for value in (*graph.value_info, *graph.input, *graph.output)}


def tensors(
    model: ModelProto, output: ValueInfoProto, types: Mapping[str, ValueInfoProto]
) -> list[ValueInfoProto] | None:
    """Let the graph give what an output is made of; None: it is made in some other way."""
    node = maker(model.graph, output.name)
    if node is not None and node.op_type == "ZipMap" and not used(model.graph, output.name):
        return [without_zipmap(model, node, output.name, types)]
    parts = elements(model.graph, output.name)
    if not parts or not all(part in types for part in parts):
        return None
    names = numbered(model.graph, output.name, len(parts))
    return [
        renamed(model.graph, types[part], part, name)
        for part, name in zip(parts, names, strict=True)
    ]


def renamed(graph: GraphProto, kind: ValueInfoProto, value: str, name: str) -> ValueInfoProto:
    """Give a value by another name, and describe that."""
    graph.node.append(helper.make_node("Identity", [value], [name]))
    described = ValueInfoProto()
    described.CopyFrom(kind)
    described.name = name
    return described


def without_zipmap(
    model: ModelProto, node: NodeProto, output: str, types: Mapping[str, ValueInfoProto]
) -> ValueInfoProto:
    """Put the probabilities themselves in the place of ZipMap, and keep its labels."""
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


def elements(graph: GraphProto, name: str) -> list[str] | None:
    """Name the tensors that a list is made of; None: that is not known before it runs."""
    inserted: list[str] = []
    while (node := maker(graph, name)) is not None:
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


def maker(graph: GraphProto, name: str) -> NodeProto | None:
    """Find the node that makes a value."""
    return next((node for node in graph.node if name in node.output), None)


def used(graph: GraphProto, name: str) -> bool:
    """Tell whether a node reads a value."""
    return any(name in node.input for node in graph.node)


def numbered(graph: GraphProto, name: str, count: int) -> list[str]:
    """Make names for the elements of a list that nothing in the graph has."""
    taken = {value for node in graph.node for value in node.output}
    while any(f"{name}_{number}" in taken for number in range(count)):
        name += "_"
    return [f"{name}_{number}" for number in range(count)]
