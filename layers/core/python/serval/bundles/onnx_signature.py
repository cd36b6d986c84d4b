"""Read the signature of an ONNX graph, which the user never has to write."""

from collections.abc import Iterable
from math import prod

from onnx import ModelProto, TensorProto, ValueInfoProto

from serval.errors import BundleRefused
from serval.models.signature import Signature, TensorSpec

V2_DATATYPES: dict[int, str] = {
    TensorProto.BOOL: "BOOL",
    TensorProto.UINT8: "UINT8",
    TensorProto.UINT16: "UINT16",
    TensorProto.UINT32: "UINT32",
    TensorProto.UINT64: "UINT64",
    TensorProto.INT8: "INT8",
    TensorProto.INT16: "INT16",
    TensorProto.INT32: "INT32",
    TensorProto.INT64: "INT64",
    TensorProto.FLOAT16: "FP16",
    TensorProto.FLOAT: "FP32",
    TensorProto.DOUBLE: "FP64",
    TensorProto.BFLOAT16: "BF16",
    TensorProto.STRING: "BYTES",
}
"""ONNX element type → V2 datatype."""

ADVICE = {
    "optional_type": "export the graph without optional values",
    "sparse_tensor_type": "export it as a dense tensor",
}
COLLECTIONS = frozenset({"sequence_type", "map_type"})
INIT = "`serval init NAME --from FILE` makes tensors of what ZipMap, or a list of them, ends in"
EXPORTERS = {
    "skl2onnx": f"{INIT}; or export with options={{'zipmap': False}}",
    "OnnxMLTools": f"{INIT}; or convert with zipmap=False",
    "CatBoost": INIT,
    "pytorch": f"{INIT}; or return tensors from forward, no lists or dictionaries",
}
"""Advice for outputs that are not tensors, by the exporter of the graph."""
NO_NAMES = frozenset({"", "?", "None", "-1"})
"""What exporters write for an unknown extent."""
FREE_INITIALIZERS_IR = 4
"""The version of the format since which initializers need not be inputs."""
MOST_ELEMENTS = 64
"""A larger initializer is a weight and not a setting."""


def read_signature(model: ModelProto) -> Signature:
    """Read names, datatypes and shapes; inputs with an initializer are optional, or weights.

    Raises
    ------
    BundleRefused
        With every input and output that the Open Inference Protocol cannot express.
    """
    graph = model.graph
    weights = {tensor.name for tensor in graph.initializer}
    weights |= {tensor.values.name for tensor in graph.sparse_initializer}
    reasons: list[str] = []
    producer = model.producer_name
    inputs = _specs("input", (v for v in graph.input if v.name not in weights), producer, reasons)
    names = _optional_inputs(model, weights)
    optional = _specs("input", (v for v in graph.input if v.name in names), producer, reasons)
    outputs = _specs("output", graph.output, producer, reasons)
    if not graph.output:
        reasons.append("the graph has no output")
    if reasons:
        raise BundleRefused(reasons)
    return Signature(inputs, outputs, optional, _rows_interact(model, weights))


def _rows_interact(model: ModelProto, weights: set[str]) -> bool:
    """Whether another axis has the name of the row axis, so that rows depend on each other.

    CLIP, for instance, compares every image with every text. Batched with others, a request would
    be compared with theirs.
    """
    inputs = [value for value in model.graph.input if value.name not in weights]
    shapes = [
        [dimension.dim_param for dimension in value.type.tensor_type.shape.dim]
        for value in (*inputs, *model.graph.output)
    ]
    rows = {names[0] for names in shapes[: len(inputs)] if names} - NO_NAMES
    return any(rows.intersection(names[1:]) for names in shapes)


def _optional_inputs(model: ModelProto, weights: set[str]) -> set[str]:
    """Name the initializers that a request may override.

    Since version 4 of the format these are the initializers among the inputs. Some exporters still
    list every initializer there, as was required before; those are weights unless all are small.
    """
    listed = weights & {value.name for value in model.graph.input}
    if model.ir_version < FREE_INITIALIZERS_IR:
        return set()
    sizes = [prod(tensor.dims) for tensor in model.graph.initializer if tensor.name in listed]
    if listed == weights and max(sizes, default=0) > MOST_ELEMENTS:
        return set()
    return listed


def _specs(
    role: str, values: Iterable[ValueInfoProto], producer: str, reasons: list[str]
) -> tuple[TensorSpec, ...]:
    specs = []
    for value in values:
        try:
            specs.append(_spec(role, value, producer))
        except ValueError as problem:
            reasons.append(f"{role} {value.name!r} {problem}")
    names = [spec.name for spec in specs]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        reasons.append(f"{role} {repeated[0]!r} is repeated")
    return tuple(specs)


def _spec(role: str, value: ValueInfoProto, producer: str) -> TensorSpec:
    if not value.name or not isinstance(value.name, str):  # bytes: not UTF-8
        raise ValueError("has no name in UTF-8")
    kind = value.type.WhichOneof("value")
    if kind != "tensor_type":
        name = str(kind or "value without a type").removesuffix("_type").replace("_", " ")
        raise ValueError(f"is of kind {name}, a tensor expected: {_advice(role, kind, producer)}")
    tensor = value.type.tensor_type
    datatype = V2_DATATYPES.get(tensor.elem_type)
    if datatype is None:
        names = {number: name for name, number in TensorProto.DataType.items()}
        found = names.get(tensor.elem_type, str(tensor.elem_type))
        raise ValueError(f"has element type {found}, one of {', '.join(_element_types())} expected")
    if not tensor.HasField("shape"):
        raise ValueError(
            "has no rank: export its shape, naming the dimensions that vary "
            "(onnx.shape_inference.infer_shapes may find it)"
        )
    return TensorSpec(value.name, datatype, tuple(_dimension(d) for d in tensor.shape.dim))


def _advice(role: str, kind: str | None, producer: str) -> str:
    if kind not in COLLECTIONS:
        return ADVICE.get(kind or "", "export its type")
    if role == "output":
        return EXPORTERS.get(producer, f"{INIT}; or export it as a tensor")
    return "export what comes after it (a DictVectorizer, say), and have callers send its columns"


def _dimension(dimension: object) -> int:
    """Return a dimension's size, or -1 if it is open."""
    if dimension.HasField("dim_value") and dimension.dim_value >= 0:  # type: ignore[attr-defined]
        return int(dimension.dim_value)  # type: ignore[attr-defined]
    return -1


def _element_types() -> list[str]:
    return [TensorProto.DataType.Name(number) for number in V2_DATATYPES]
