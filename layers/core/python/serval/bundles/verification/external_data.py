"""External data: the tensors of a graph whose bytes lie in other files of the bundle."""

import posixpath
from collections.abc import Iterator, Mapping
from typing import Any

from onnx import ModelProto, TensorProto

from serval.bundles.paths import check_path
from serval.bundles.verification.subgraphs import graphs_of, nodes_of


def external_files(model: ModelProto, artifact: str) -> tuple[str, ...]:
    """Name the external-data files that the graph reads, as paths inside the bundle."""
    folder = posixpath.dirname(artifact)
    locations = {location_of(tensor) for tensor in external_tensors(model)}
    return tuple(sorted(posixpath.join(folder, location) for location in locations))


def external_tensors(model: ModelProto) -> Iterator[TensorProto]:
    """Give every tensor whose data lie outside the graph, wherever it hides."""
    for graph in graphs_of(model):
        yield from outside(graph.initializer)
        for sparse in graph.sparse_initializer:
            yield from outside([sparse.values, sparse.indices])
    for node in nodes_of(model):
        for attribute in node.attribute:
            yield from outside([attribute.t, *attribute.tensors])
            for sparse in [attribute.sparse_tensor, *attribute.sparse_tensors]:
                yield from outside([sparse.values, sparse.indices])


def outside(tensors: Any) -> Iterator[TensorProto]:
    """Give those of some tensors whose data lie outside."""
    # Metadata without the flag is refused as well: readers differ in what they make of it.
    return (t for t in tensors if t.data_location == TensorProto.EXTERNAL or t.external_data)


def location_of(tensor: TensorProto) -> str:
    """Give the path of a tensor's data beside the graph; ``./weights`` is ``weights``."""
    parts = entries_of(tensor).get("location", "").split("/")
    return "/".join(part for part in parts if part != ".")


def entries_of(tensor: TensorProto) -> dict[str, str]:
    """Give what a tensor says of its data."""
    # Texts that are not UTF-8 come as bytes, whose repr is no path of the bundle.
    return {entry.key: f"{entry.value}" for entry in tensor.external_data}


def external_reason(tensor: TensorProto, artifact: str, sizes: Mapping[str, int]) -> str | None:
    """Say why a tensor's data cannot be read from the bundle; None: they can."""
    where = f"tensor {tensor.name!r}: external data"
    entries, location = entries_of(tensor), location_of(tensor)
    try:
        check_path(location)
    except ValueError as problem:
        return f"{where} at {entries.get('location', '')!r}: {problem}"
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
