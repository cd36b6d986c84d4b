"""KServe's model server over one ONNX file, as its documentation shows a custom model.

``python -P kserve_server.py PORT MODEL_FILE LAYER [NAME...]`` serves the file as ``m`` by V2, or
under each of the names by V1, as steps of an ``InferenceGraph``. ONNX Runtime comes from Serval's
layer, numpy and everything else from the running environment. Byte-code present, one worker, REST
only.
"""

import sys
from typing import Any

sys.path.append(sys.argv[3])

import numpy as np
import onnxruntime
import uvicorn
from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer


class LocalConfig(uvicorn.Config):
    """Binds to loopback only, for which KServe has no setting."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options | {"host": "127.0.0.1"})


class OnnxModel(Model):  # type: ignore[misc]
    """An ONNX graph."""

    def __init__(self, name: str, path: str) -> None:
        super().__init__(name)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            path, options, providers=["CPUExecutionProvider"]
        )
        self.ready = True

    def predict(self, payload: InferRequest, headers: object = None) -> InferResponse:
        """Run the model once."""
        feed = {tensor.name: tensor.as_numpy() for tensor in payload.inputs}
        answers = self.session.run(None, feed)
        outputs = []
        for spec, answer in zip(self.session.get_outputs(), answers, strict=True):
            datatype = "INT64" if answer.dtype == "int64" else "FP32"
            output = InferOutput(spec.name, list(answer.shape), datatype)
            output.set_data_from_numpy(answer, binary_data=False)
            outputs.append(output)
        return InferResponse(payload.id or "1", self.name, outputs)


class StepModel(OnnxModel):
    """A graph of one tensor that answers with what the next step takes."""

    def predict(self, payload: dict[str, Any], headers: object = None) -> dict[str, Any]:
        """Run the model once."""
        (answer,) = self.session.run(None, {"x": np.array(payload["instances"], np.float32)})
        return {"instances": answer.tolist()}


if __name__ == "__main__":
    uvicorn.Config = LocalConfig  # type: ignore[misc]
    server = ModelServer(http_port=int(sys.argv[1]), enable_grpc=False, workers=1)
    steps = [StepModel(name, sys.argv[2]) for name in sys.argv[4:]]
    server.start(steps or [OnnxModel("m", sys.argv[2])])
