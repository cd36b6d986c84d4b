"""Uploads that are bad in every way that we know."""

import io
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import joblib
import numpy as np
import onnx
from onnx import ModelProto, TensorProto, helper

from serval.foreign import ObjectCreated
from tests.fakes.executions import StepFailed
from tests.fakes.registration import manifest_of, scaling_bundle, scaling_model
from tests.fakes.stage import Stage

GOOD = scaling_bundle(factor=3)
YAML = GOOD["model.yaml"]
FLOAT = TensorProto.FLOAT


@dataclass(frozen=True)
class Bad:
    """An upload that must be refused."""

    says: str | re.Pattern[str]
    """The reasons, a line for each; a pattern where Python, YAML or ONNX speaks."""
    files: Mapping[str, bytes] = field(default_factory=lambda: GOOD)
    manifest: bytes | None = None
    """None: the right one for ``files``."""
    missing: str | None = None
    """A file of the manifest that is not uploaded."""
    instead: Mapping[str, bytes] = field(default_factory=dict)
    """Uploaded in the place of what the manifest says."""
    model: str = "scaling"
    bare: bytes | None = None
    """Uploaded alone as ``incoming/<model>/model.onnx``."""
    verify_mib: int = 3008
    """Memory of ``verify``."""
    failing: Mapping[str, StepFailed] = field(default_factory=dict)
    """Steps whose function fails on this upload, and how."""

    def upload(self, stage: Stage) -> ObjectCreated:
        if self.bare is not None:
            return stage.upload_bare(self.model, self.bare)
        manifest = self.manifest or manifest_of(self.model, self.files).encode()
        uploaded = {**self.files, **self.instead}
        uploaded.pop(self.missing or "", None)
        return stage.upload(self.model, "u2", uploaded, manifest)


def configured(text: str, **files: bytes) -> dict[str, bytes]:
    """Give a bundle with more in model.yaml."""
    return GOOD | {"model.yaml": YAML + text.encode()} | files


def listing(*entries: Any, model: str = "scaling") -> bytes:
    return json.dumps({"model": model, "files": entries}).encode()


def entry(path: str, size_bytes: int = 3) -> dict[str, Any]:
    return {"path": path, "sha256": "0" * 64, "size_bytes": size_bytes}


def edited(change: Callable[[ModelProto], Any]) -> dict[str, bytes]:
    """Give a bundle whose graph was changed."""
    model = scaling_model(3)
    change(model)
    return GOOD | {"model.onnx": bytes(model.SerializeToString())}


def beside(location: str, **more: str) -> dict[str, bytes]:
    """Give a bundle whose factor lies in another file."""

    def move(model: ModelProto) -> None:
        factor = model.graph.initializer[0]
        factor.ClearField("float_data")
        factor.data_location = TensorProto.EXTERNAL
        for key, value in {"location": location, **more}.items():
            factor.external_data.add(key=key, value=value)

    return edited(move) | {"w.bin": np.float32(3).tobytes()}


def of_one_node(node: onnx.NodeProto, *outputs: onnx.ValueInfoProto) -> dict[str, bytes]:
    """Give a bundle of ``x``, one operator and its output."""
    given = helper.make_tensor_value_info("x", FLOAT, ["n", 3])
    answers = list(outputs) or [helper.make_tensor_value_info("y", FLOAT, ["n", 3])]
    graph = helper.make_graph([node], "g", [given], answers)
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("ai.onnx.ml", 3)]
    if node.domain not in ("", "ai.onnx.ml"):
        opsets.append(helper.make_opsetid(node.domain, 1))
    model = helper.make_model(graph, opset_imports=opsets)
    model.ir_version = 10
    return GOOD | {"model.onnx": bytes(model.SerializeToString())}


def maps() -> dict[str, bytes]:
    """Give a classifier as scikit-learn's converter writes it by default."""
    kind = helper.make_map_type_proto(
        TensorProto.INT64, helper.make_tensor_type_proto(FLOAT, [None])
    )
    answer = helper.make_value_info("scores", helper.make_sequence_type_proto(kind))
    node = helper.make_node(
        "ZipMap", ["x"], ["scores"], domain="ai.onnx.ml", classlabels_int64s=[0, 1, 2]
    )
    return of_one_node(node, answer)


def large(megabytes: int = 1) -> dict[str, bytes]:
    def pad(model: ModelProto) -> None:
        padding = np.zeros(megabytes * 2**18, np.float32)
        model.graph.initializer.append(onnx.numpy_helper.from_array(padding, "padding"))

    return edited(pad)


def golden(*lines: str) -> dict[str, bytes]:
    return configured("golden: golden.jsonl\n") | {"golden.jsonl": "\n".join(lines).encode()}


def golden_line(expected: list[Any], given: float = 1.0) -> str:
    x = {"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [given] * 3}
    y = {"name": "y", "datatype": "FP32", "shape": [1, 3], "data": expected}
    return json.dumps({"request": {"inputs": [x]}, "response": {"outputs": [y]}})


def pickled_by_joblib() -> bytes:
    file = io.BytesIO()
    joblib.dump({"coefficients": np.ones(3)}, file)
    return file.getvalue()


def renamed_output(model: ModelProto) -> None:
    model.graph.node[0].output[0] = "scaled"
    model.graph.output[0].name = "scaled"


def reshaping() -> dict[str, bytes]:
    """Give a model that passes every check and fails when it runs."""
    model = scaling_model(3)
    model.graph.initializer.append(helper.make_tensor("s", TensorProto.INT64, [2], [7, 7]))
    model.graph.node[0].output[0] = "z"
    model.graph.node.append(helper.make_node("Reshape", ["z", "s"], ["r"]))
    model.graph.node.append(helper.make_node("Slice", ["r", "b", "e"], ["y"]))
    for name, values in (("b", [0, 0]), ("e", [1, 3])):
        model.graph.initializer.append(helper.make_tensor(name, TensorProto.INT64, [2], values))
    return GOOD | {"model.onnx": bytes(model.SerializeToString())}


def ends(step: str, error: str, message: str) -> dict[str, StepFailed]:
    """Let a step's function end as Lambda says it."""
    return {step: StepFailed(error, json.dumps({"errorMessage": f"RequestId: r Error: {message}"}))}
