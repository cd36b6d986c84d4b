"""Read the signature of a graph, with the outputs' inferred shapes in place of wrong ones."""

from onnx import ModelProto, TensorProto, TypeProto, ValueInfoProto

from serval.bundles.onnx_signature import read_signature
from serval.bundles.verification.leniency import infer_shapes, relax_graph
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
        With every input and output that the Open Inference Protocol cannot express.
    """
    described = ModelProto(ir_version=model.ir_version, producer_name=model.producer_name)
    described.graph.input.extend(model.graph.input)
    # Protobuf decodes a name when it is read.
    with refusing(lambda said: BundleRefused([f"an initializer's name is not UTF-8: {said}"])):
        described.graph.initializer.extend(
            TensorProto(name=tensor.name, dims=tensor.dims) for tensor in model.graph.initializer
        )
        for sparse in model.graph.sparse_initializer:
            described.graph.sparse_initializer.add().values.name = sparse.values.name
    described.graph.output.extend(true_outputs(model))
    return read_signature(described)


def true_outputs(model: ModelProto) -> list[ValueInfoProto]:
    """Return the outputs, with the inferred shape where it contradicts the declared one."""
    declared = list(model.graph.output)
    try:
        with refusing(NoShapes):
            inferred = infer_shapes(relax_graph(model)).graph.output
    except (NoShapes, BundleRefused):
        return declared
    return [
        found if contradict(given.type, found.type) else given
        for given, found in zip(declared, inferred, strict=True)
    ]


def contradict(declared: TypeProto, inferred: TypeProto) -> bool:
    """Whether an inferred shape is known and differs from the declared one."""
    if not inferred.tensor_type.HasField("shape"):
        return False
    if not declared.tensor_type.HasField("shape"):
        return bool(declared.HasField("tensor_type"))
    left, right = declared.tensor_type.shape.dim, inferred.tensor_type.shape.dim
    if len(left) != len(right):
        return True
    pairs = zip(left, right, strict=True)
    known = [(a, b) for a, b in pairs if a.HasField("dim_value") and b.HasField("dim_value")]
    return any(a.dim_value != b.dim_value for a, b in known)
