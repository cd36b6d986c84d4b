"""The floor of ``benchmarks.cold_start``: one hard-wired model, numpy and ONNX Runtime.

It checks nothing, knows one model and one tensor, and answers with bare numbers.
"""

import json
import os
from typing import Any

import numpy as np
import onnxruntime

DATATYPES = {"FP32": np.float32, "INT64": np.int64}

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(
    os.environ["MODEL_FILE"], options, providers=["CPUExecutionProvider"]
)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Answer a request with one tensor."""
    tensor = json.loads(event["body"])["inputs"][0]
    array = np.array(tensor["data"], DATATYPES[tensor["datatype"]]).reshape(tensor["shape"])
    outputs = session.run(None, {tensor["name"]: array})
    return {"statusCode": 200, "body": json.dumps([output.ravel().tolist() for output in outputs])}
