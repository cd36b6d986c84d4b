"""Check a bundle's graph as the stage does; needs the ``onnx`` package."""

from collections.abc import Mapping
from pathlib import Path

from onnx import ModelProto

from serval.bundles.verification.external_data import external_files
from serval.bundles.verification.graph import checker_reasons, graph_reasons, load_graph
from serval.bundles.verification.graph_signature import signature_of
from serval.errors import BundleRefused
from serval_cli.bundle.folder import sizes_inside


def graph_file_reasons(folder: Path, artifact: str, sizes: dict[str, int]) -> list[str]:
    """Check an artifact, and add its external data to ``sizes``."""
    model = load_graph(folder, artifact)
    sizes |= external_sizes(folder, model, artifact)
    return model_reasons(artifact, model, sizes)


def model_reasons(artifact: str, model: ModelProto, sizes: Mapping[str, int]) -> list[str]:
    """Check a graph as the stage will.

    Parameters
    ----------
    sizes
        Bytes of the artifact and its external data, by path.
    """
    reasons = graph_reasons(model, artifact, sizes)
    if not reasons:
        reasons = checker_reasons(model, artifact)
    return reasons + signature_reasons(model, artifact)


def external_sizes(folder: Path, model: ModelProto, artifact: str) -> dict[str, int]:
    """Return the sizes of a graph's external data that exists in the folder."""
    return sizes_inside(folder, external_files(model, artifact))


def signature_reasons(model: ModelProto, artifact: str) -> list[str]:
    """Return the reasons why a graph has no signature."""
    try:
        signature_of(model)
    except BundleRefused as refused:
        return [f"{artifact}: {reason}" for reason in refused.reasons]
    return []
