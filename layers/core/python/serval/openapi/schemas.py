"""Schemas of requests and replies."""

from collections.abc import Mapping
from typing import Any, get_args

from serval.models.rollout_words import RolloutStatus, RolloutStep
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
MOMENT: Schema = {"type": "string", "format": "date-time"}


def reference(name: str) -> Schema:
    """Refer to a schema by its name."""
    return {"$ref": f"#/components/schemas/{name}"}


def nullable(schema: Schema) -> Schema:
    """Allow null in place of a schema."""
    return {**schema, "type": [schema["type"], "null"]}


def list_of(items: Schema) -> Schema:
    """Build the schema of a list."""
    return {"type": "array", "items": items}


def object_of(**members: Schema) -> Schema:
    """Build the schema of an object with exactly these members."""
    return {
        "type": "object",
        "properties": members,
        "required": list(members),
        "additionalProperties": False,
    }


def with_optional(shape: Schema, **members: Schema) -> Schema:
    """Add optional members to an object's schema."""
    return {**shape, "properties": {**shape["properties"], **members}}


def open_object_of(required: Mapping[str, Schema], **optional: Schema) -> Schema:
    """Build the schema of an object that may have further members."""
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
        # Without a reference to itself, which generators of types for TypeScript cannot follow.
        "items": {"anyOf": [ELEMENT, {"type": "array", "description": "Of the same, nested."}]},
        "description": "Flat or nested, row-major.",
    },
    "InputTensor": open_object_of(
        {"name": TEXT, "shape": SHAPE, "datatype": DATATYPE},
        parameters=TENSOR_PARAMETERS,
        data=reference("TensorData"),
    ),
    "RequestedOutput": open_object_of(
        {"name": TEXT},
        parameters={**PARAMETERS, "properties": {"binary_data": {"type": "boolean"}}},
    ),
    "InferenceRequest": open_object_of(
        {"inputs": list_of(reference("InputTensor"))},
        id=TEXT,
        outputs=list_of(reference("RequestedOutput")),
        parameters={**PARAMETERS, "properties": {"binary_data_output": {"type": "boolean"}}},
    ),
    "OutputTensor": open_object_of(
        {"name": TEXT, "shape": SHAPE, "datatype": DATATYPE},
        parameters=TENSOR_PARAMETERS,
        data={**list_of(ELEMENT), "description": "Flat, row-major."},
    ),
    "InferenceResponse": open_object_of(
        {
            "model_name": NAME,
            "model_version": VERSION,
            "outputs": list_of(reference("OutputTensor")),
        },
        id=TEXT,
    ),
}
DURATION = object_of(count=COUNT, ns=COUNT)
DURATIONS = ("success", "fail", "cache_hit", *UNMEASURED)
TENSOR = object_of(name=TEXT, datatype=DATATYPE, shape=DIMENSIONS)
CONFIGURED_TENSOR = object_of(name=TEXT, data_type=TEXT, dims=DIMENSIONS)
OPTIONAL: Schema = {
    "const": True,
    "description": "There for inputs that a request may leave out.",
}
ASKED = with_optional(object_of(model=NAME), version=VERSION)
PIPELINE_STEP = with_optional(
    object_of(name=TEXT),
    model=NAME,
    version=VERSION,
    rule=TEXT,
    any_of=list_of(ASKED),
    all_of=list_of(ASKED),
    cascade=list_of(ASKED),
    split=list_of(with_optional(object_of(model=NAME, weight=COUNT), version=VERSION)),
    map=TEXT,
)
STATISTICS = object_of(
    name=NAME,
    version=VERSION,
    last_inference={**COUNT, "description": "Milliseconds since 1970, to the minute; 0: none."},
    inference_count=COUNT,
    execution_count=COUNT,
    inference_stats=object_of(**dict.fromkeys(DURATIONS, DURATION)),
    batch_stats=list_of({}),
)
ROLLOUT = object_of(
    model=NAME,
    stable={**nullable(VERSION), "description": "Null: no version has been promoted yet."},
    version={**nullable(VERSION), "description": "What is rolled out. Null: not registered."},
    status={"type": "string", "enum": list(get_args(RolloutStatus))},
    step={"type": "string", "enum": list(get_args(RolloutStep))},
    percent={**COUNT, "maximum": 100, "description": "Share of the traffic that `version` has."},
    paused={"type": "boolean"},
    started=MOMENT,
    finished={**nullable(MOMENT), "description": "Null: it runs."},
    reason={
        **nullable(TEXT),
        "description": "Why it ended. Null: it runs, or only its publisher may read why.",
    },
)

SCHEMAS: dict[str, Schema] = {
    "Error": object_of(error={**TEXT, "description": "What is wrong, and what was expected."}),
    "ServerMetadata": object_of(name=TEXT, version=TEXT, extensions=list_of(TEXT)),
    "Live": object_of(live={"const": True}),
    "Ready": object_of(ready={"const": True}, live={"const": True}),
    "Models": object_of(models=list_of(NAME)),
    "ModelMetadata": with_optional(
        object_of(
            name=NAME,
            versions=list_of(VERSION),
            platform=TEXT,
            inputs=list_of(TENSOR),
            outputs=list_of(TENSOR),
        ),
        optional_inputs={
            **list_of(TENSOR),
            "description": "Inputs that a request may leave out; there if the model has any.",
        },
        task={**TEXT, "description": "There if the model has a task."},
        steps={
            **list_of(PIPELINE_STEP),
            "description": "There if the model is a pipeline.",
        },
    ),
    "ModelReady": object_of(name=NAME, ready={"const": True}),
    "ModelConfig": object_of(
        name=NAME,
        platform=TEXT,
        backend=TEXT,
        version_policy=object_of(all={"type": "object"}),
        max_batch_size={"const": 0, "description": "0: `dims` are whole shapes."},
        input=list_of(with_optional(CONFIGURED_TENSOR, optional=OPTIONAL)),
        output=list_of(CONFIGURED_TENSOR),
        default_model_filename=TEXT,
    ),
    "ModelStatistics": object_of(model_stats=list_of(STATISTICS)),
    "ModelRollout": ROLLOUT,
    "RepositoryIndexRequest": open_object_of({}, ready={"type": "boolean"}),
    "RepositoryIndex": list_of(
        object_of(name=NAME, version=VERSION, state={"const": "READY"}, reason=TEXT)
    ),
    **INFER,
}
