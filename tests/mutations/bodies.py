"""Bodies: what each route takes, well formed, before anything happens to it."""

from random import Random
from typing import Any

import numpy as np

from serval.http.dispatch import Endpoint
from tests.mutations.stage import MODELS

ELEMENTS: dict[str, Any] = {
    "FP32": [0.5, "NaN"],
    "BYTES": ["a", "é"],
    "UINT8": [65, 66],
    "INT64": [1, -1],
    "BOOL": [True, False],
    "FP16": [0.5, 1.0],
}
JOB = {
    "input": "s3://orders/rows.csv",
    "output": "s3://orders/out/",
    "options": {
        "format": "csv",
        "csv": {"delimiter": ",", "header": True},
        "columns": {"measurements": ["a", "b"]},
        "output": {"format": "jsonl", "join": True},
        "concurrency": 3,
        "max_rejected_percent": 1.5,
    },
}


def tensor(model: str) -> dict[str, Any]:
    """Give an input of a model, as JSON."""
    if model not in MODELS:
        return {"name": "prompt", "shape": [1, 2], "datatype": "UINT8", "data": [65, 66]}
    datatype, shape = MODELS[model]
    last = 1 if model == "flags" else 2
    extents = [2] if len(shape) == 1 else [2 // last, last]
    return {"name": "x", "shape": extents, "datatype": datatype, "data": ELEMENTS[datatype]}


def inference_request(random: Random, model: str) -> dict[str, Any]:
    """Give a request of a model, as JSON, with some of what a request may have."""
    request: dict[str, Any] = {"inputs": [tensor(model)]}
    if random.random() < 0.3:
        request["id"] = "abc"
    if random.random() < 0.3:
        request["parameters"] = {"binary_data_output": random.random() < 0.5}
    if random.random() < 0.3:
        parameter = random.choice(("binary_data", "classification"))
        request["outputs"] = [{"name": "y", "parameters": {parameter: random.random() < 0.8}}]
    return request


def binary_request(model: str) -> tuple[dict[str, Any], bytes]:
    """Give the JSON part of a request of a model, and its binary tensor."""
    item = tensor(model)
    data = item.pop("data")
    if item["datatype"] == "BYTES":
        raw = b"".join(len(one).to_bytes(4, "little") + one for one in map(str.encode, data))
    else:
        kinds = {"FP32": "<f4", "FP16": "<f2", "UINT8": "u1", "INT64": "<i8", "BOOL": "?"}
        raw = np.array([float(one) for one in data]).astype(kinds[item["datatype"]]).tobytes()
    item["parameters"] = {"binary_data_size": len(raw)}
    return {"inputs": [item]}, raw


def rows_of(random: Random, model: str) -> dict[str, Any]:
    """Give what protocols of rows take of a model: rows, a whole input, a table."""
    if model not in MODELS:
        return {"instances": ["good", "bad"], "parameters": {"top_k": random.choice((1, 2, 0))}}
    given = tensor(model)
    data, extents = given["data"], given["shape"]
    rows = [data] if len(extents) == 2 and extents[0] == 1 else [[one] for one in data]
    if len(extents) == 1:
        rows = data
    named = {"columns": ["x_0", "x_1"], "data": [data]}
    return random.choice(
        ({"instances": rows}, {"inputs": rows}, {"inputs": {"x": rows}}, {"dataframe_split": named})
    )


def openai_model(route: Endpoint) -> str | None:
    """Return the model that OpenAI's routes are asked for; None: it is another route."""
    if "/v1/models" in route.template or "/v1/" not in route.template:
        return None
    return "vectors" if route.template.endswith("embeddings") else "writer"


def openai_body(route: Endpoint) -> dict[str, Any] | None:
    """Give what OpenAI's routes take; None: it is another route."""
    model = openai_model(route)
    if model is None:
        return None
    if model == "vectors":
        return {"model": model, "input": ["a cat", "a dog"]}
    if route.template.endswith("chat/completions"):
        spoken = [{"role": "user", "content": "a cat"}]
        return {"model": model, "messages": spoken, "max_tokens": 2}
    return {"model": model, "prompt": "a cat", "max_tokens": 2}


def document_of(random: Random, route: Endpoint, model: str) -> Any:
    """Give the JSON that a route takes; None: it takes none."""
    match route.method, route.template.rsplit("/", 1)[-1]:
        case "POST", "completions" | "embeddings" | "invocations" | "{model}:predict":
            return openai_body(route) or rows_of(random, model)
        case "POST", "infer":
            return inference_request(random, model)
        case "POST", "uploads":
            return {"size_bytes": random.choice((1, 7_000_000, 10**9))}
        case "POST", ("{model}" | "{version}"):
            texts = random.choice(("good", ["good", "bad"], ["good"] * 40))
            return {"inputs": texts, "parameters": {"top_k": random.choice((1, 2, 0))}}
        case "POST", "jobs" | "index" as what:
            return JOB if what == "jobs" else {"ready": True}
        case "PUT", _:
            asked: dict[str, Any] = {
                "model": model,
                "version": "1",
                "callback_url": "https://a.b/c",
            }
            if random.random() < 0.3:
                return asked | {"upload": True, "inference_header_content_length": 2}
            return asked | {"request": inference_request(random, model)}
    return None
