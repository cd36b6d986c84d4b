"""Metadata of the server, of a model and of its versions, in the protocol's shapes.

Specification: Open Inference Protocol V2, ``inference_rest.md``; Triton's
``extension_model_configuration.md`` and ``extension_model_repository.md``.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from serval.models.server_declaration import SERVED
from serval.models.signature import TensorSpec
from serval.models.version import PIPELINE, ModelVersion

VERSION = "0.1.0"
"""Serval's version; a test compares it with pyproject.toml."""
EXTENSIONS = ("binary_tensor_data", "model_configuration", "model_repository", "statistics")
"""Of ``model_repository`` only the index: publishing a version is what loads it."""
PLATFORMS = {"onnx": "onnx_onnxv1"}
"""Runtime → platform in model metadata."""
BACKENDS = {"onnx": ("onnxruntime_onnx", "onnxruntime")}
"""Runtime → platform and backend in Triton's model configuration."""


def server_metadata() -> dict[str, Any]:
    """Describe the server."""
    return {"name": "serval", "version": VERSION, "extensions": list(EXTENSIONS)}


def model_metadata(record: ModelVersion, versions: Sequence[str]) -> dict[str, Any]:
    """Describe a version; ``versions`` are all that callers may name."""
    return {
        "name": record.model,
        "versions": list(versions),
        "platform": platform(record),
        **replace(record.signature, rows_interact=False).to_json(),
        **({"task": record.task} if record.task else {}),
        **({"steps": pipeline_steps(record)} if record.runtime == PIPELINE else {}),
    }


def pipeline_steps(record: ModelVersion) -> list[dict[str, Any]]:
    """List the steps of a pipeline: what each is, and the version that it pins."""
    shown = ("name", "model", "version", "rule", "any_of", "all_of", "split", "cascade", "map")
    return [
        {key: step[key] for key in shown if step.get(key) is not None}
        for step in record.bundle["steps"]
    ]


def platform(record: ModelVersion) -> str:
    """Name the platform as the protocol does, ``<project>_<format>``: ``triton_v2``."""
    if record.runtime not in SERVED:
        return PLATFORMS.get(record.runtime, record.runtime)
    runtime = record.bundle.get("runtime", {})
    return f"{server(record)}_{runtime.get('protocol', 'v2')}"


def server(record: ModelVersion) -> str:
    """Name the inference server beside the worker; the runtime if the bundle names none."""
    return record.bundle.get("runtime", {}).get("server") or record.runtime


def readiness(model: str) -> dict[str, Any]:
    """Report a model, or a version of it, as ready."""
    return {"name": model, "ready": True}


def model_config(record: ModelVersion) -> dict[str, Any]:
    """Write a version's signature as a Triton model configuration.

    ``max_batch_size`` is 0, which tells Triton's clients that ``dims`` include the batch axis.
    """
    names = BACKENDS.get(record.runtime, (platform(record), server(record)))
    return {
        "name": record.model,
        "platform": names[0],
        "backend": names[1],
        "version_policy": {"all": {}},
        "max_batch_size": 0,
        "input": [
            *(tensor_config(spec) for spec in record.signature.inputs),
            *({**tensor_config(spec), "optional": True} for spec in record.signature.optional),
        ],
        "output": [tensor_config(spec) for spec in record.signature.outputs],
        "default_model_filename": record.artifact,
    }


def tensor_config(spec: TensorSpec) -> dict[str, Any]:
    """Write a tensor's member of a Triton model configuration."""
    datatype = "STRING" if spec.datatype == "BYTES" else spec.datatype
    return {"name": spec.name, "data_type": f"TYPE_{datatype}", "dims": list(spec.shape)}


def index_entry(record: ModelVersion) -> dict[str, str]:
    """Write a version's entry of the repository index."""
    return {"name": record.model, "version": record.version, "state": "READY", "reason": ""}
