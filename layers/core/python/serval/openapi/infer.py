"""The inference operation: its headers, its two content types and its responses."""

from typing import Any

from serval.openapi.operations import (
    BINARY,
    JSON,
    MODEL,
    MODEL_VERSION,
    Operation,
    content,
    errors,
)
from serval.openapi.schemas import TEXT, VERSION

EXAMPLE = {
    "inputs": [
        {
            "name": "measurements",
            "shape": [1, 4],
            "datatype": "FP32",
            "data": [5.1, 3.5, 1.4, 0.2],
        },
    ],
}
DESCRIPTION = """\
One inference of the Open Inference Protocol V2: answered with 200 or an error, never 202.

With `Inference-Header-Content-Length` the body is that many bytes of JSON, then the binary \
tensors in the order of `inputs`; 0 is a raw request, whose body is the bytes of the model's only \
input. gzip and deflate bodies are accepted when `Content-Encoding` says so and `Content-Type` is \
`application/octet-stream` or absent.

A model on a fleet is waited for, up to 25 s; then the answer is 503 with `Retry-After` and \
`serval-request-id`, and the work goes on as that async request."""

STATUSES = (400, 401, 403, 404, 413, 429, 500, 503)
REDIRECTED = {
    "307": {
        "description": "The stream that is asked for is at this address, for one call begun within "
        "a minute: the same method and body, answered by server-sent events.",
        "headers": {"Location": {"required": True, "schema": {"type": "string"}}},
        "content": {JSON: {}},
    }
}
"""Error statuses of inference on Lambda; a request to a fleet may also have been cancelled."""


def header(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Describe a request header."""
    return {"name": name, "in": "header", "description": description, "schema": schema}


AFFINITY = header(
    "serval-affinity",
    "Callers with the same text get the same version while a rollout's percent stands.",
    {"type": "string", "maxLength": 256},
)
REQUEST_HEADERS = [
    header(
        "Inference-Header-Content-Length",
        "Bytes of the body's JSON part; binary tensors follow it.",
        {"type": "integer", "minimum": 0},
    ),
    AFFINITY,
]
VERSION_HEADER = header(
    "serval-model-version",
    "Version that is to answer, for clients that cannot put it into the path.",
    VERSION,
)
RESPONSE_HEADERS = {
    "serval-model-version": {"description": "Version that answered.", "schema": VERSION},
    "serval-step-versions": {
        "description": "Of a pipeline: its steps, each with the version that it asked.",
        "schema": TEXT,
    },
    "serval-cache": {
        "description": "Of a model or a step with a cache: `hit`, `miss`, or `bypass` for text "
        "that may be sampled; of a pipeline, for each such step.",
        "schema": TEXT,
    },
    "Server-Timing": {
        "description": "Milliseconds of `load` (first request of a version only), `queue` (on a "
        "fleet) and `infer`.",
        "schema": TEXT,
    },
}
BINARY_LENGTH = {
    "Inference-Header-Content-Length": {
        "description": "Bytes of the JSON part; present if an output is binary.",
        "schema": {"type": "string", "pattern": "^[0-9]+$"},
    }
}


def answers(contents: dict[str, Any], refused: dict[str, Any]) -> dict[str, Any]:
    """Describe the answers of a call in another protocol."""
    said = "The answer; compressed if `Accept-Encoding` allows it."
    return {
        "200": {"description": said, "headers": RESPONSE_HEADERS, "content": contents},
        **refused,
    }


def infer(*, versioned: bool) -> Operation:
    """Describe inference by the route's version, or by one named in the path."""
    named = "with a version" if versioned else "with the version that the route chooses"
    return {
        "operationId": "inferVersion" if versioned else "infer",
        "tags": ["inference"],
        "summary": f"Infer {named}",
        "description": DESCRIPTION,
        "parameters": REQUEST_HEADERS if versioned else [*REQUEST_HEADERS, VERSION_HEADER],
        "requestBody": {
            "required": True,
            "content": {
                JSON: {**content("InferenceRequest")[JSON], "example": EXAMPLE},
                BINARY: {},
            },
        },
        "responses": {
            "200": {
                "description": "The outputs; compressed if `Accept-Encoding` allows it.",
                "headers": {**RESPONSE_HEADERS, **BINARY_LENGTH},
                "content": {**content("InferenceResponse"), BINARY: {}},
            },
            **errors(sorted({*STATUSES, 409})),
        },
    }


TASK = (
    "A model with a task takes what people have: text, images, sound or rows, in the contract of "
    'the Hugging Face hub\'s clients. The body is `{"inputs": …, "parameters": {…}}`, or a text, '
    "an image, a sound or a table of CSV as it is. A list of inputs is answered with a list. "
    "A handler gets the body as it is, with its content type. A model on a fleet answers within "
    "25 s, or with a 503 whose `serval-request-id` names the async request that goes on."
)
TASK_EXAMPLE = {"inputs": "I love this", "parameters": {"top_k": 1}}


def answer_task(*, versioned: bool) -> Operation:
    """Describe a call of a model's task."""
    return {
        "operationId": "callVersion" if versioned else "call",
        "tags": ["inference"],
        "summary": "Call a model's task, or its handler",
        "description": TASK,
        "parameters": REQUEST_HEADERS if versioned else [*REQUEST_HEADERS, VERSION_HEADER],
        "requestBody": {
            "required": True,
            "content": {JSON: {"example": TASK_EXAMPLE}, BINARY: {}, "text/plain": {}},
        },
        "responses": {
            "200": {
                "description": "The answer, as the task writes it; a file of a sound is itself.",
                "headers": RESPONSE_HEADERS,
                "content": {JSON: {}, "audio/wav": {}, "audio/flac": {}},
            },
            **REDIRECTED,
            **errors(sorted({*STATUSES, 409})),
        },
    }


PATHS: dict[str, Operation] = {
    "/models/{model}": {"parameters": [MODEL], "post": answer_task(versioned=False)},
    "/models/{model}/versions/{version}": {
        "parameters": [MODEL, MODEL_VERSION],
        "post": answer_task(versioned=True),
    },
    "/v2/models/{model}/infer": {"parameters": [MODEL], "post": infer(versioned=False)},
    "/v2/models/{model}/versions/{version}/infer": {
        "parameters": [MODEL, MODEL_VERSION],
        "post": infer(versioned=True),
    },
}
