"""Bundles that an inference server runs: no graph is read, ``model.yaml`` says what one would."""

from collections.abc import Iterable

from serval.bundle import MODEL_YAML, Bundle, DeclaredTensor
from serval.models.signature import Signature, TensorSpec
from serval.verification.deployment import GRAPH

README = "README.md"


def declared_signature(bundle: Bundle) -> tuple[Signature, list[str]]:
    """Give the signature that ``model.yaml`` declares, and what is wrong with it."""
    declared = bundle.signature
    if declared is None:
        return Signature((), ()), [f"{MODEL_YAML}: signature is missing"]
    reasons = [
        *_repeated("inputs", declared.inputs),
        *_repeated("outputs", declared.outputs),
    ]
    return Signature(_specs(declared.inputs), _specs(declared.outputs)), reasons


def served_files(bundle: Bundle, paths: Iterable[str]) -> tuple[str, ...]:
    """Name what the server needs on disk: the artifact, and everything but what Serval reads."""
    ours = {MODEL_YAML, README, bundle.golden, bundle.artifact}
    return (bundle.artifact, *sorted(path for path in paths if path not in ours))


def no_graph_reason(bundle: Bundle) -> str | None:
    """Refuse an artifact for a fleet that is no ONNX graph and names no server; None: it is fine.

    The name tells: a graph for Lambda may have any.
    """
    if bundle.compute.target != "fleet" or bundle.runtime.kind == "http":
        return None
    if bundle.artifact.endswith(GRAPH):
        return None
    return (
        f"artifact: {bundle.artifact!r} is no ONNX graph by its name, so an inference server has "
        "to run it: set 'runtime: {kind: http, …}' and declare its inputs and outputs under "
        "'signature:'; a graph is called '….onnx'"
    )


def _specs(tensors: Iterable[DeclaredTensor]) -> tuple[TensorSpec, ...]:
    return tuple(TensorSpec(tensor.name, tensor.datatype, tensor.shape) for tensor in tensors)


def _repeated(role: str, tensors: Iterable[DeclaredTensor]) -> list[str]:
    names = [tensor.name for tensor in tensors]
    return [
        f"{MODEL_YAML}: signature.{role}: tensor {name!r} is there more than once"
        for name in sorted({name for name in names if names.count(name) > 1})
    ]
