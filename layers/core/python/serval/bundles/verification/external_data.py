"""External data: tensors of a graph whose bytes lie in other files of the bundle."""

import posixpath
from collections.abc import Iterator, Mapping
from typing import Any

from onnx import ModelProto, TensorProto

from serval.bundles.paths import check_path
from serval.bundles.verification.subgraphs import graphs_of, nodes_of


def external_files(model: ModelProto, artifact: str) -> tuple[str, ...]:
    """Return the paths, inside the bundle, of the graph's external data."""
    folder = posixpath.dirname(artifact)
    locations = {location_of(tensor) for tensor in external_tensors(model)}
    return tuple(sorted(posixpath.join(folder, location) for location in locations))


def external_tensors(model: ModelProto) -> Iterator[TensorProto]:
    """Yield every tensor with external data, in subgraphs and attributes too."""
    for graph in graphs_of(model):
        yield from with_external_data(graph.initializer)
        for sparse in graph.sparse_initializer:
            yield from with_external_data([sparse.values, sparse.indices])
    for node in nodes_of(model):
        for attribute in node.attribute:
            yield from with_external_data([attribute.t, *attribute.tensors])
            for sparse in [attribute.sparse_tensor, *attribute.sparse_tensors]:
                yield from with_external_data([sparse.values, sparse.indices])


def with_external_data(tensors: Any) -> Iterator[TensorProto]:
    """Yield the tensors whose data are external."""
    # Metadata without the flag counts too, because some readers follow it.
    return (t for t in tensors if t.data_location == TensorProto.EXTERNAL or t.external_data)


def location_of(tensor: TensorProto) -> str:
    """Return the path of a tensor's data beside the graph; ``./weights`` is ``weights``."""
    parts = entries_of(tensor).get("location", "").split("/")
    return "/".join(part for part in parts if part != ".")


def entries_of(tensor: TensorProto) -> dict[str, str]:
    """Return a tensor's metadata about its external data."""
    # Text that is not UTF-8 comes as bytes, whose repr is never a path of the bundle.
    return {entry.key: f"{entry.value}" for entry in tensor.external_data}


def external_reason(tensor: TensorProto, artifact: str, sizes: Mapping[str, int]) -> str | None:
    """Return the reason why a tensor's data cannot be read from the bundle, if there is one."""
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
