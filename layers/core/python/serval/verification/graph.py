"""The ONNX graph: readable, of known operators, within limits, and nothing outside the bundle."""

import posixpath
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import onnx
from onnx import ModelProto, TensorProto

from serval.errors import BundleRefused
from serval.foreign import refusing
from serval.paths import check_path
from serval.verification.formats import format_reason

DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft"})
LIMIT_OPSETS = {"": 26, "ai.onnx.ml": 5}
"""Highest operator sets that the ONNX Runtime of the layers loads."""
LIMIT_IR_VERSION = 13
LIMIT_NODES = 100_000
LIMIT_GRAPH_BYTES = 2**31 - 1
"""Protocol buffers end here; larger weights go into external data."""
SORTED = "must be topologically sorted"
UNSORTED = (
    " If it is the output of a later node, sort them: "
    "from onnxruntime.transformers.onnx_model import OnnxModel; m = OnnxModel(onnx.load(path)); "
    "m.topological_sort(); m.save_model_to_file(path)"
)
"""What helps against the order in which converters to FP16 leave the nodes."""
FULL_CHECK_BYTES = 64 * 2**20
"""Up to this size the checker also infers every shape."""


def load_graph(folder: Path, artifact: str) -> ModelProto:
    """Read an artifact without its external data, or raise ``BundleRefused``."""
    path = folder / artifact
    if (reason := format_reason(folder, artifact)) is not None:
        raise BundleRefused([reason])
    if (size := path.stat().st_size) > LIMIT_GRAPH_BYTES:
        raise BundleRefused(
            [
                f"{artifact}: {size} bytes, at most {LIMIT_GRAPH_BYTES} allowed: save the weights "
                "as external data (onnx.save(model, path, save_as_external_data=True))"
            ]
        )
    with refusing(
        lambda said: BundleRefused(
            [
                f"{artifact} is not an ONNX model: {said}; it is damaged, cut off or of another "
                "format: export it again"
            ]
        )
    ):
        model = onnx.load(path, format="protobuf", load_external_data=False)
    if not model.HasField("graph") or not model.ir_version:
        raise BundleRefused([f"{artifact} is not an ONNX model: it holds no graph"])
    return model


def graph_reasons(model: ModelProto, artifact: str, sizes: Mapping[str, int]) -> list[str]:
    """Check what the graph says of itself.

    Parameters
    ----------
    sizes
        Bytes of each file of the bundle by its path.
    """
    reasons = _version_reasons(model)
    foreign: set[str] = set()
    own = {(function.domain, function.name) for function in model.functions}
    for count, node in enumerate(_nodes(model), start=1):
        if count > LIMIT_NODES:
            return [*reasons, f"{artifact} has more than {LIMIT_NODES} nodes"]
        if node.domain not in DOMAINS and (node.domain, node.op_type) not in own:
            foreign.add(f"{node.domain}::{node.op_type}")
    reasons += [
        f"{artifact} uses operator {name}, whose domain ONNX Runtime does not bring; "
        f"allowed: ai.onnx, ai.onnx.ml, com.microsoft"
        for name in sorted(foreign)
    ]
    for tensor in external_tensors(model):
        if (reason := _external_reason(tensor, artifact, sizes)) and reason not in reasons:
            reasons.append(reason)
    return reasons


def checker_reasons(folder: Path, artifact: str, artifact_bytes: int) -> list[str]:
    """Run the ONNX checker; call it when nothing in the graph points outside the bundle."""
    full_check = artifact_bytes <= FULL_CHECK_BYTES
    try:
        with refusing(lambda said: BundleRefused([_invalid(artifact, said)])):
            onnx.checker.check_model(folder / artifact, full_check=full_check)
    except BundleRefused as refused:
        return list(refused.reasons)
    return []


def external_files(model: ModelProto, artifact: str) -> tuple[str, ...]:
    """Name the external-data files that the graph reads, as paths inside the bundle."""
    folder = posixpath.dirname(artifact)
    locations = {_external(tensor).get("location", "") for tensor in external_tensors(model)}
    return tuple(sorted(posixpath.join(folder, location) for location in locations))


def external_tensors(model: ModelProto) -> Iterator[TensorProto]:
    """Give every tensor whose data lie outside the graph, wherever it hides."""
    for graph in _graphs(model):
        yield from _outside(graph.initializer)
        for sparse in graph.sparse_initializer:
            yield from _outside([sparse.values, sparse.indices])
    for node in _nodes(model):
        for attribute in node.attribute:
            yield from _outside([attribute.t, *attribute.tensors])
            for sparse in [attribute.sparse_tensor, *attribute.sparse_tensors]:
                yield from _outside([sparse.values, sparse.indices])


def _invalid(artifact: str, said: str) -> str:
    advice = UNSORTED if SORTED in said else ""
    return f"{artifact} is not a valid ONNX model: {said}{advice}"


def _version_reasons(model: ModelProto) -> list[str]:
    reasons = []
    if model.ir_version > LIMIT_IR_VERSION:
        reasons.append(
            f"IR version {model.ir_version}, at most {LIMIT_IR_VERSION} expected: "
            "export with an older opset, or set model.ir_version"
        )
    for opset in model.opset_import:
        domain = "" if opset.domain == "ai.onnx" else opset.domain
        if opset.version > LIMIT_OPSETS.get(domain, opset.version):
            reasons.append(
                f"opset {opset.version} of {domain or 'ai.onnx'}, at most "
                f"{LIMIT_OPSETS[domain]} expected: export with target_opset={LIMIT_OPSETS[domain]}"
            )
    return reasons


def _graphs(model: ModelProto) -> Iterator[Any]:
    """Give the graph and every graph inside its nodes and functions, without recursion."""
    waiting = [model.graph, *model.functions]
    for training in model.training_info:
        waiting += [training.initialization, training.algorithm]
    while waiting:
        graph = waiting.pop()
        if not isinstance(graph, onnx.FunctionProto):
            yield graph
        for node in graph.node:
            for attribute in node.attribute:
                if attribute.HasField("g"):
                    waiting.append(attribute.g)
                waiting.extend(attribute.graphs)


def _nodes(model: ModelProto) -> Iterator[Any]:
    for function in model.functions:
        yield from function.node
    for graph in _graphs(model):
        yield from graph.node


def _outside(tensors: Any) -> Iterator[TensorProto]:
    # Metadata without the flag is refused as well: readers differ in what they make of it.
    return (t for t in tensors if t.data_location == TensorProto.EXTERNAL or t.external_data)


def _external(tensor: TensorProto) -> dict[str, str]:
    # Texts that are not UTF-8 come as bytes, whose repr is no path of the bundle.
    return {entry.key: f"{entry.value}" for entry in tensor.external_data}


def _external_reason(tensor: TensorProto, artifact: str, sizes: Mapping[str, int]) -> str | None:
    where = f"tensor {tensor.name!r}: external data"
    entries = _external(tensor)
    location = entries.get("location", "")
    try:
        check_path(location)
    except ValueError as problem:
        return f"{where} at {location!r}: {problem}"
    path = posixpath.join(posixpath.dirname(artifact), location)
    if path not in sizes:
        return f"{where} at {location!r}: {path} is not in the bundle; add it to the upload"
    try:
        start, length = int(entries.get("offset", 0)), int(entries.get("length", 0))
    except ValueError:
        return f"{where} at {location!r}: offset and length must be whole numbers"
    if start < 0 or length < 0 or start + length > sizes[path]:
        return (
            f"{where} at {location!r}: bytes {start} to {start + length} are to be read, and "
            f"{path} has {sizes[path]} bytes: export the model again, and upload all of its files"
        )
    return None
