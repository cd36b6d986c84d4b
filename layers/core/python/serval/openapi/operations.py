"""Operations: what each method on each path does, takes and answers."""

from collections.abc import Iterable
from typing import Any

from serval.openapi.schemas import NAME, VERSION, Schema, reference

Operation = dict[str, Any]

JSON = "application/json"
BINARY = "application/octet-stream"
ALWAYS = (401, 503)
"""Error statuses of every operation."""
OF_A_MODEL = (401, 403, 404, 503)

ERRORS = {
    400: "The request cannot be answered as it was sent.",
    401: "No API key, or an unknown or revoked one.",
    403: "The API key has no scope for this model.",
    404: "No such model, version, async request, batch job or path.",
    409: "Something else has this id or key, or what is there is not in a state for that.",
    413: "The request or the reply is over the limit.",
    429: "The API key has used up what it may submit in a minute, or has open.",
    500: "The runtime failed on a valid request.",
    503: "Cannot be answered now; trying again may help.",
}
MODEL = {
    "name": "model",
    "in": "path",
    "required": True,
    "description": "Name of a model.",
    "schema": NAME,
    "example": "iris",
}
MODEL_VERSION = {
    "name": "version",
    "in": "path",
    "required": True,
    "description": "Version of the model, as a decimal number without leading zeros.",
    "schema": VERSION,
    "example": "1",
}


def content(schema: str) -> dict[str, Any]:
    """Describe JSON content by a named schema."""
    return {JSON: {"schema": reference(schema)}}


def parameter(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Describe a query parameter."""
    return {"name": name, "in": "query", "description": description, "schema": schema}


def errors(statuses: Iterable[int]) -> dict[str, Any]:
    """Refer to the error responses."""
    return {str(status): {"$ref": f"#/components/responses/Error{status}"} for status in statuses}


def read(
    name: str, summary: str, schema: str, description: str = "", statuses: Iterable[int] = ALWAYS
) -> Operation:
    """Describe an operation that reads something and takes only its path."""
    operation: Operation = {"operationId": name, "tags": ["metadata"], "summary": summary}
    if description:
        operation["description"] = description
    operation["responses"] = {
        "200": {"description": summary, "content": content(schema)},
        **errors(statuses),
    }
    return operation


def path_of_model(operations: Operation, *, versioned: bool) -> Operation:
    """Describe a path of a model, with its path parameters."""
    return {"parameters": [MODEL, MODEL_VERSION] if versioned else [MODEL], **operations}


STATS_DESCRIPTION = (
    "Sums over the last 3 hours, to the minute, of what the track (stable or candidate) of the"
    " version did: a version that was promoted meanwhile has its predecessor's counts too."
)


def model_reads(*, versioned: bool) -> dict[str, Operation]:
    """Describe the reads of a model, or of a version of it, by what follows its path."""
    of = "Version" if versioned else "Model"
    what = "a version" if versioned else "the stable version"
    reads = {
        "": (f"get{of}Metadata", f"Signature of {what}", "ModelMetadata", ""),
        "/ready": (f"get{of}Ready", f"Readiness of {what}; 404 if absent", "ModelReady", ""),
        "/config": (f"get{of}Config", f"Triton configuration of {what}", "ModelConfig", ""),
        "/stats": (
            f"get{of}Stats",
            "Statistics of a version" if versioned else "Statistics of stable and candidate",
            "ModelStatistics",
            STATS_DESCRIPTION,
        ),
    }
    return {
        suffix: path_of_model({"get": read(*given, statuses=OF_A_MODEL)}, versioned=versioned)
        for suffix, given in reads.items()
    }


ROLLOUT: Operation = path_of_model(
    {
        "get": read(
            "getModelRollout",
            "The rollout that runs, or else the last one",
            "ModelRollout",
            "Where it stands, or how it ended. It is steered by whoever may publish, with the"
            " command line.",
            statuses=OF_A_MODEL,
        )
    },
    versioned=False,
)
INDEX: Operation = {
    "operationId": "listVersions",
    "tags": ["metadata"],
    "summary": "Every version of every model in the API key's scope",
    "description": "What is listed is ready, so `ready` changes nothing; the body may be left out.",
    "requestBody": {"required": False, "content": content("RepositoryIndexRequest")},
    "responses": {
        "200": {"description": "The versions", "content": content("RepositoryIndex")},
        **errors((400, 401, 413, 503)),
    },
}
OPENAPI_SCHEMA: Schema = {"type": "object", "required": ["openapi", "info", "paths"]}
OPENAPI: Operation = read("getOpenApi", "This document", "OpenApi")

READS: dict[str, Operation] = {
    "/v2": {"get": read("getServerMetadata", "Name, version and extensions", "ServerMetadata")},
    "/v2/health/live": {"get": read("getLive", "Is the server alive", "Live")},
    "/v2/health/ready": {"get": read("getReady", "Does the server answer", "Ready")},
    "/v2/models": {"get": read("listModels", "Models in the API key's scope", "Models")},
    "/v2/models/stats": {
        "get": read(
            "getAllStats",
            "Statistics of every model in the API key's scope",
            "ModelStatistics",
            STATS_DESCRIPTION,
        )
    },
}
