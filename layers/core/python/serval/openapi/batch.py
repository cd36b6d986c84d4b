"""Operations of batch jobs: start, list, read, cancel, retry."""

from typing import Any

from serval.openapi.async_requests import RETRY_AFTER
from serval.openapi.batch_schemas import JOB_ID
from serval.openapi.infer import header
from serval.openapi.operations import JSON, MODEL, Operation, content, errors, parameter
from serval.openapi.schemas import NAME, reference

TAG = "batch jobs"
JOB_NAME = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "Id of a batch job.",
    "schema": JOB_ID,
    "example": "20261121T101530-3f9c01ab55d2",
}
EXAMPLE = {
    "input": "s3://my-bucket/rows.csv",
    "output": "s3://my-bucket/answers/{date}/",
    "options": {"output": {"join": True}, "concurrency": 20},
}
LOCATION = {
    "Location": {
        "description": "The job's URL, relative to this one where the API has a path.",
        "schema": {"type": "string", "format": "uri-reference"},
    }
}
KEY = header(
    "idempotency-key",
    "Text of your own: repeating the call with it gives the same job.",
    {"type": "string", "minLength": 1, "maxLength": 255},
)


def job(description: str, *, made: bool = False) -> dict[str, Any]:
    """Describe a response that is a job's document."""
    headers = {**LOCATION, **RETRY_AFTER} if made else RETRY_AFTER
    return {"description": description, "headers": headers, "content": content("BatchJob")}


START: Operation = {
    "operationId": "startBatchJob",
    "tags": [TAG],
    "summary": "Start a batch job, or say what it would take",
    "parameters": [
        KEY,
        parameter("dry_run", "True: only say what it would take.", {"type": "boolean"}),
    ],
    "requestBody": {
        "required": True,
        "content": {JSON: {"schema": reference("BatchRequest"), "example": EXAMPLE}},
    },
    "responses": {
        "202": job("It is queued, or runs.", made=True),
        "200": {
            "description": "What it would take; or the job of this key, which has ended.",
            "content": {
                JSON: {
                    "schema": {"anyOf": [reference("BatchPreview"), reference("BatchJob")]},
                }
            },
        },
        **errors((400, 401, 403, 404, 409, 413, 429, 503)),
    },
}
LIST: Operation = {
    "operationId": "listBatchJobs",
    "tags": [TAG],
    "summary": "Batch jobs of the models in the API key's scope, the newest first",
    "description": "No shards are looked at: the counts of jobs that go on are null.",
    "parameters": [
        parameter("model", "Only this model's.", NAME),
        parameter(
            "limit",
            "How many at most; 20 without it.",
            {"type": "integer", "minimum": 1, "maximum": 100},
        ),
    ],
    "responses": {
        "200": {"description": "The jobs", "content": content("BatchJobs")},
        **errors((400, 401, 403, 404, 503)),
    },
}
GET: Operation = {
    "operationId": "getBatchJob",
    "tags": [TAG],
    "summary": "Status of a batch job, and how far it is",
    "responses": {"200": job("The job"), **errors((401, 404, 503))},
}
CANCEL: Operation = {
    "operationId": "cancelBatchJob",
    "tags": [TAG],
    "summary": "End a batch job; what was done stays",
    "responses": {
        "200": job("It has ended; shards that still run stop within seconds.", made=True),
        **errors((401, 404, 409, 503)),
    },
}
RETRY: Operation = {
    "operationId": "retryBatchJob",
    "tags": [TAG],
    "summary": "Run what a failed or cancelled batch job has not done",
    "responses": {
        "202": job("It is queued again.", made=True),
        **errors((401, 404, 409, 429, 503)),
    },
}
PATHS: dict[str, Operation] = {
    "/batch/models/{model}/jobs": {"parameters": [MODEL], "post": START},
    "/batch/jobs": {"get": LIST},
    "/batch/jobs/{id}": {"parameters": [JOB_NAME], "get": GET, "delete": CANCEL},
    "/batch/jobs/{id}/retry": {"parameters": [JOB_NAME], "post": RETRY},
}
