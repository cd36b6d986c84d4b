"""What Serval says of itself, of a model and of its versions, in the protocol's shapes.

Specification: Open Inference Protocol V2, ``inference_rest.md``; Triton's
``extension_model_configuration.md`` and ``extension_model_repository.md``.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from serval.models.signature import TensorSpec
from serval.models.version import ModelVersion

VERSION = "0.1.0"
"""Serval's own; a test holds it equal to pyproject.toml's."""
EXTENSIONS = ("binary_tensor_data", "model_configuration", "model_repository", "statistics")
"""Of ``model_repository`` the index: publishing a version is what loads it."""
PLATFORMS = {"onnx": "onnx_onnxv1"}
"""Runtime → the platform that the protocol names for it."""
BACKENDS = {"onnx": ("onnxruntime_onnx", "onnxruntime")}
"""Runtime → Triton's words for the platform and the backend of a model configuration."""
HTTP = "http"
"""The runtime of versions that an inference server runs."""


def server_metadata() -> dict[str, Any]:
    """Describe the server."""
    return {"name": "serval", "version": VERSION, "extensions": list(EXTENSIONS)}


def model_metadata(record: ModelVersion, versions: Sequence[str]) -> dict[str, Any]:
    """Describe a version, and name the versions that may be asked for."""
    return {
        "name": record.model,
        "versions": list(versions),
        "platform": platform(record),
        **replace(record.signature, rows_interact=False).to_json(),
    }


def platform(record: ModelVersion) -> str:
    """Name what runs a version, ``<project>_<format>`` as the protocol wants: ``triton_v2``."""
    if record.runtime != HTTP:
        return PLATFORMS.get(record.runtime, record.runtime)
    runtime = record.bundle.get("runtime", {})
    return f"{server(record)}_{runtime.get('protocol', 'v2')}"


def server(record: ModelVersion) -> str:
    """Name the inference server beside the worker; ``http`` if the bundle does not say which."""
    return record.bundle.get("runtime", {}).get("server") or HTTP


def readiness(model: str) -> dict[str, Any]:
    """Say that a model, or a version of it, answers inference requests."""
    return {"name": model, "ready": True}


def model_config(record: ModelVersion) -> dict[str, Any]:
    """Give the Triton model configuration that the signature stands for.

    ``max_batch_size`` is 0, which is Triton's way to say that ``dims`` are whole shapes: the batch
    axis, if there is one, is among them.
    """
    names = BACKENDS.get(record.runtime, (platform(record), server(record)))
    return {
        "name": record.model,
        "platform": names[0],
        "backend": names[1],
        "version_policy": {"all": {}},
        "max_batch_size": 0,
        "input": [
            *(configured(spec) for spec in record.signature.inputs),
            *({**configured(spec), "optional": True} for spec in record.signature.optional),
        ],
        "output": [configured(spec) for spec in record.signature.outputs],
        "default_model_filename": record.artifact,
    }


def configured(spec: TensorSpec) -> dict[str, Any]:
    """Give a tensor's member of a Triton model configuration."""
    datatype = "STRING" if spec.datatype == "BYTES" else spec.datatype
    return {"name": spec.name, "data_type": f"TYPE_{datatype}", "dims": list(spec.shape)}


def index_entry(record: ModelVersion) -> dict[str, str]:
    """Give a version's entry of the repository index; what is recorded is ready."""
    return {"name": record.model, "version": record.version, "state": "READY", "reason": ""}
