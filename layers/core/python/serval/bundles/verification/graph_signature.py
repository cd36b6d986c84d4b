"""The signature of a graph, with outputs of the shapes that they have, not of stale ones."""

from onnx import ModelProto, TensorProto, TypeProto, ValueInfoProto

from serval.bundles.onnx_signature import read_signature
from serval.bundles.verification.leniency import lenient, with_shapes
from serval.errors import BundleRefused
from serval.foreign import refusing
from serval.models.signature import Signature


class NoShapes(Exception):
    """Shapes cannot be inferred."""


def signature_of(model: ModelProto) -> Signature:
    """Read the signature of a graph.

    Raises
    ------
    BundleRefused
        With every input and output that the Open Inference Protocol cannot say.
    """
    described = ModelProto(ir_version=model.ir_version, producer_name=model.producer_name)
    described.graph.input.extend(model.graph.input)
    described.graph.initializer.extend(
        TensorProto(name=tensor.name, dims=tensor.dims) for tensor in model.graph.initializer
    )
    for sparse in model.graph.sparse_initializer:
        described.graph.sparse_initializer.add().values.name = sparse.values.name
    described.graph.output.extend(true_outputs(model))
    return read_signature(described)


def true_outputs(model: ModelProto) -> list[ValueInfoProto]:
    """Give the outputs; where the graph makes another shape than it says, that shape."""
    said = list(model.graph.output)
    try:
        with refusing(NoShapes):
            made = with_shapes(lenient(model)).graph.output
    except (NoShapes, BundleRefused):
        return said
    return [
        found if contradict(given.type, found.type) else given
        for given, found in zip(said, made, strict=True)
    ]


def contradict(given: TypeProto, found: TypeProto) -> bool:
    """Tell whether a shape is known, and is not the one that is given."""
    if not found.tensor_type.HasField("shape"):
        return False
    if not given.tensor_type.HasField("shape"):
        return bool(given.HasField("tensor_type"))
    said, made = given.tensor_type.shape.dim, found.tensor_type.shape.dim
    if len(said) != len(made):
        return True
    pairs = zip(said, made, strict=True)
    known = [(a, b) for a, b in pairs if a.HasField("dim_value") and b.HasField("dim_value")]
    return any(a.dim_value != b.dim_value for a, b in known)
