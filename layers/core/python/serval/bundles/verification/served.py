"""Check what ``model.yaml`` declares: the signature for an inference server, and columns."""

import math
from collections.abc import Iterable

from serval.bundles.bundle import MODEL_YAML, Bundle, DeclaredTensor
from serval.bundles.verification.deployment import GRAPH
from serval.handlers.signature import HANDLER_SIGNATURE
from serval.models.signature import Signature, TensorSpec
from serval.models.version import BODY_PROTOCOLS

README = "README.md"


def declared_signature(bundle: Bundle) -> tuple[Signature, list[str]]:
    """Read the signature that ``model.yaml`` declares, with the mistakes in it.

    A server of bodies has that of handlers.
    """
    if bundle.runtime.protocol in BODY_PROTOCOLS:
        return HANDLER_SIGNATURE, []
    declared = bundle.signature
    if declared is None:
        return Signature((), ()), [f"{MODEL_YAML}: signature is missing"]
    reasons = [
        *_repeated_names("inputs", declared.inputs),
        *_repeated_names("outputs", declared.outputs),
    ]
    return Signature(_specs(declared.inputs), _specs(declared.outputs)), reasons


def served_files(bundle: Bundle, paths: Iterable[str]) -> tuple[str, ...]:
    """List the files that the server needs: the artifact, and all that Serval itself does not."""
    ours = {MODEL_YAML, README, bundle.golden, bundle.artifact}
    return (bundle.artifact, *sorted(path for path in paths if path not in ours))


def no_graph_reason(bundle: Bundle) -> str | None:
    """Refuse an artifact for a fleet that needs an inference server and names none.

    An ONNX graph for a fleet is known by its name; one for Lambda may have any.
    """
    if bundle.compute.target != "fleet" or bundle.runtime.kind != "onnx":
        return None
    if bundle.artifact.endswith(GRAPH):
        return None
    return (
        f"artifact: {bundle.artifact!r} is not an ONNX graph by its name, so an inference server "
        "has to run it: set 'runtime: {kind: http, …}' and declare its inputs and outputs under "
        "'signature:'; a graph is called '….onnx'"
    )


def _specs(tensors: Iterable[DeclaredTensor]) -> tuple[TensorSpec, ...]:
    return tuple(TensorSpec(tensor.name, tensor.datatype, tensor.shape) for tensor in tensors)


def _repeated_names(role: str, tensors: Iterable[DeclaredTensor]) -> list[str]:
    names = [tensor.name for tensor in tensors]
    return [
        f"{MODEL_YAML}: signature.{role}: tensor {name!r} is repeated"
        for name in sorted({name for name in names if names.count(name) > 1})
    ]


def column_reasons(bundle: Bundle, signature: Signature) -> list[str]:
    """List what is wrong with the names of columns: each input needs one for each element."""
    shapes = {spec.name: spec.shape for spec in signature.inputs}
    reasons = []
    for name, columns in bundle.columns.items():
        where = f"{MODEL_YAML}: columns: {name}"
        if name not in shapes:
            reasons.append(f"{where}: no such input; the model takes {', '.join(shapes)}")
            continue
        if -1 in shapes[name][1:]:
            reasons.append(f"{where}: its extents vary ({list(shapes[name])}): it has no columns")
        elif len(columns) != (width := math.prod(shapes[name][1:])):
            reasons.append(f"{where}: {width} expected, one for each element, {len(columns)} given")
        if len({column.casefold() for column in columns}) < len(columns):
            reasons.append(f"{where}: a name is repeated; capital letters make no difference")
    return reasons
