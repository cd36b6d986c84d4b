"""A handler that does as it is told: tests/local/test_handlers.py."""

import json
import os
from typing import Any


def model_fn(model_dir: str) -> list[bytearray]:
    return []


def input_fn(request_body: str, request_content_type: str) -> Any:
    return json.loads(request_body)


def predict_fn(input_data: Any, model: list[bytearray]) -> Any:
    do = input_data["do"]
    if do == "raise":
        raise KeyError(do)
    if do == "crash":
        os.kill(os.getpid(), 11)
    if do == "exit":
        os._exit(3)
    while do == "eat":
        model.append(bytearray(b"x") * 2**24)
    if do == "print":
        print("the token is", os.environ["TOKEN"])
    return dict(os.environ) if do == "environment" else do


def output_fn(prediction: Any, accept: str) -> Any:
    if prediction == "object":
        return object()
    return json.dumps({"did": prediction}), accept
