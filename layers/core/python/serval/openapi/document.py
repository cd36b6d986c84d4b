"""The OpenAPI document that ``GET /openapi.json`` answers and ``docs/openapi.json`` holds.

Specification: OpenAPI 3.1.1.
"""

from typing import Any

from serval.models.metadata import VERSION
from serval.openapi import (
    async_requests,
    batch,
    batch_schemas,
    infer,
    openai,
    protocols,
    request_schemas,
)
from serval.openapi.operations import (
    ERRORS,
    INDEX,
    OPENAPI,
    OPENAPI_SCHEMA,
    READS,
    ROLLOUT,
    content,
    model_reads,
)
from serval.openapi.schemas import SCHEMAS

MODEL = "/v2/models/{model}"
MODEL_VERSION = "/v2/models/{model}/versions/{version}"
DESCRIPTION = """\
The HTTP API of one stage of Serval: the Open Inference Protocol V2, async requests, batch jobs \
over files. Every operation takes an API key (`serval keys create`); with \
`auth: iam` or `auth: jwt` the gateway's own authorizer stands there instead. Errors are \
`{"error": "…"}` with exactly `application/json`, but for OpenAI's, SageMaker's and \
MLflow's own shapes."""
REQUEST_ID = {
    "X-Request-Id": {
        "description": "Names the call in the stage's log.",
        "schema": {"type": "string"},
    }
}
KEYS = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key."},
    "header": {"type": "apiKey", "in": "header", "name": "x-api-key"},
    "basic": {"type": "http", "scheme": "basic", "description": "An API key as the password."},
}


def paths() -> dict[str, Any]:
    """Describe every path."""
    return {
        **READS,
        **{MODEL + suffix: path for suffix, path in model_reads(versioned=False).items()},
        f"{MODEL}/rollout": ROLLOUT,
        **{MODEL_VERSION + suffix: path for suffix, path in model_reads(versioned=True).items()},
        **infer.PATHS,
        **protocols.PATHS,
        **openai.PATHS,
        **async_requests.PATHS,
        **batch.PATHS,
        "/v2/repository/index": {"post": INDEX},
        "/openapi.json": {"get": OPENAPI},
    }


def document() -> dict[str, Any]:
    """Build the whole document; its server is the folder that it is read from."""
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "Serval",
            "version": VERSION,
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": ".", "description": "The stage that this document is read from"}],
        "security": [{name: []} for name in KEYS],
        "tags": [
            {"name": "inference"},
            {"name": "openai"},
            {"name": async_requests.TAG},
            {"name": batch.TAG},
            {"name": "metadata"},
        ],
        "paths": paths(),
        "components": {
            "securitySchemes": KEYS,
            "schemas": {
                **SCHEMAS,
                **openai.SCHEMAS,
                **request_schemas.SCHEMAS,
                **batch_schemas.SCHEMAS,
                **protocols.SCHEMAS,
                "OpenApi": OPENAPI_SCHEMA,
            },
            "responses": {
                f"Error{status}": {
                    "description": text,
                    "headers": REQUEST_ID,
                    "content": content("Error"),
                }
                for status, text in ERRORS.items()
            },
        },
    }
