"""Shapes of requests and replies."""

from collections.abc import Mapping
from typing import Any

from serval.models.statistics import UNMEASURED
from serval.models.storage import MODEL_NAME

Schema = dict[str, Any]

DATATYPES = [
    "BOOL",
    *("UINT8", "UINT16", "UINT32", "UINT64"),
    *("INT8", "INT16", "INT32", "INT64"),
    *("FP16", "FP32", "FP64", "BF16"),
    "BYTES",
]
TEXT: Schema = {"type": "string"}
COUNT: Schema = {"type": "integer", "minimum": 0}
NAME: Schema = {"type": "string", "pattern": f"^{MODEL_NAME.pattern}$"}
VERSION: Schema = {"type": "string", "pattern": "^[1-9][0-9]{0,9}$"}


def reference(name: str) -> Schema:
    """Refer to a shape by its name."""
    return {"$ref": f"#/components/schemas/{name}"}


def listed(items: Schema) -> Schema:
    """Give the shape of a list."""
    return {"type": "array", "items": items}


def closed(**members: Schema) -> Schema:
    """Give the shape of an object with exactly these members."""
    return {
        "type": "object",
        "properties": members,
        "required": list(members),
        "additionalProperties": False,
    }


def with_optional(shape: Schema, **members: Schema) -> Schema:
    """Allow an object members that it need not have."""
    return {**shape, "properties": {**shape["properties"], **members}}


def opened(required: Mapping[str, Schema], **optional: Schema) -> Schema:
    """Give the shape of an object that may have further members."""
    return {
        "type": "object",
        "properties": {**required, **optional},
        "required": list(required),
    }


ELEMENT: Schema = {
    "type": ["number", "string", "boolean"],
    "description": 'Non-finite numbers are the strings "NaN", "Infinity" and "-Infinity".',
}
PARAMETERS: Schema = {
    "type": "object",
    "additionalProperties": {"type": ["string", "number", "boolean"]},
}
DATATYPE: Schema = {"type": "string", "enum": DATATYPES}
DIMENSIONS: Schema = {
    "type": "array",
    "items": {"type": "integer", "minimum": -1},
    "description": "-1 is a dimension of any extent.",
}
SHAPE: Schema = {
    "type": "array",
    "items": {"type": "integer", "minimum": 0, "maximum": 2**63 - 1},
    "maxItems": 32,
}
BINARY_SIZE: Schema = {
    "type": "integer",
    "minimum": 0,
    "description": "Bytes of this tensor after the JSON part; stands in for `data`.",
}
TENSOR_PARAMETERS: Schema = {**PARAMETERS, "properties": {"binary_data_size": BINARY_SIZE}}

INFER = {
    "TensorData": {
        "type": "array",
        "items": {"anyOf": [ELEMENT, reference("TensorData")]},
        "description": "Flat or nested, row-major.",
    },
    "InputTensor": opened(
        {"name": TEXT, "shape": SHAPE, "datatype": DATATYPE},
        parameters=TENSOR_PARAMETERS,
        data=reference("TensorData"),
    ),
    "RequestedOutput": opened(
        {"name": TEXT},
        parameters={**PARAMETERS, "properties": {"binary_data": {"type": "boolean"}}},
    ),
    "InferenceRequest": opened(
        {"inputs": listed(reference("InputTensor"))},
        id=TEXT,
        outputs=listed(reference("RequestedOutput")),
        parameters={**PARAMETERS, "properties": {"binary_data_output": {"type": "boolean"}}},
    ),
    "OutputTensor": opened(
        {"name": TEXT, "shape": SHAPE, "datatype": DATATYPE},
        parameters=TENSOR_PARAMETERS,
        data={**listed(ELEMENT), "description": "Flat, row-major."},
    ),
    "InferenceResponse": opened(
        {
            "model_name": NAME,
            "model_version": VERSION,
            "outputs": listed(reference("OutputTensor")),
        },
        id=TEXT,
    ),
}
DURATION = closed(count=COUNT, ns=COUNT)
DURATIONS = ("success", "fail", *UNMEASURED)
TENSOR = closed(name=TEXT, datatype=DATATYPE, shape=DIMENSIONS)
CONFIGURED_TENSOR = closed(name=TEXT, data_type=TEXT, dims=DIMENSIONS)
OPTIONAL: Schema = {
    "const": True,
    "description": "There for inputs that a request may leave out.",
}
STATISTICS = closed(
    name=NAME,
    version=VERSION,
    last_inference={**COUNT, "description": "Milliseconds since 1970, to the minute; 0: none."},
    inference_count=COUNT,
    execution_count=COUNT,
    inference_stats=closed(**dict.fromkeys(DURATIONS, DURATION)),
    batch_stats=listed({}),
)

SCHEMAS: dict[str, Schema] = {
    "Error": closed(error={**TEXT, "description": "What is wrong, and what was expected."}),
    "ServerMetadata": closed(name=TEXT, version=TEXT, extensions=listed(TEXT)),
    "Live": closed(live={"const": True}),
    "Ready": closed(ready={"const": True}, live={"const": True}),
    "Models": closed(models=listed(NAME)),
    "ModelMetadata": with_optional(
        closed(
            name=NAME,
            versions=listed(VERSION),
            platform=TEXT,
            inputs=listed(TENSOR),
            outputs=listed(TENSOR),
        ),
        optional_inputs={
            **listed(TENSOR),
            "description": "Inputs that a request may leave out; there if the model has any.",
        },
    ),
    "ModelReady": closed(name=NAME, ready={"const": True}),
    "ModelConfig": closed(
        name=NAME,
        platform=TEXT,
        backend=TEXT,
        version_policy=closed(all={"type": "object"}),
        max_batch_size={"const": 0, "description": "0: `dims` are whole shapes."},
        input=listed(with_optional(CONFIGURED_TENSOR, optional=OPTIONAL)),
        output=listed(CONFIGURED_TENSOR),
        default_model_filename=TEXT,
    ),
    "ModelStatistics": closed(model_stats=listed(STATISTICS)),
    "RepositoryIndexRequest": opened({}, ready={"type": "boolean"}),
    "RepositoryIndex": listed(
        closed(name=NAME, version=VERSION, state={"const": "READY"}, reason=TEXT)
    ),
    **INFER,
}
