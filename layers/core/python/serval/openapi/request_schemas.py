"""Schemas of submissions, and of a request's document."""

from serval.openapi.schemas import (
    COUNT,
    MOMENT,
    NAME,
    TEXT,
    VERSION,
    Schema,
    list_of,
    nullable,
    object_of,
    open_object_of,
    reference,
)
from serval.requests.callbacks.urls import LIMIT_CHARACTERS
from serval.requests.ids import REQUEST_ID
from serval.requests.request import STATUSES, UPLOAD_LIMIT_BYTES
from serval.requests.step_records import STEP_STATUSES

ID: Schema = {"type": "string", "pattern": f"^{REQUEST_ID.pattern}$"}
CALLBACK_URL: Schema = {"type": "string", "format": "uri", "maxLength": LIMIT_CHARACTERS}
SESSION = "it ends sooner if the session does that signed it; ask again then, for another URL."
HEADER_LENGTH: Schema = {
    **COUNT,
    "description": "Bytes of the JSON part; binary tensors follow it.",
}


STATUS: Schema = {
    "type": "string",
    "enum": list(STATUSES),
}
SHORT: dict[str, Schema] = {
    "id": ID,
    "status": STATUS,
    "model": NAME,
    "version": {**nullable(VERSION), "description": "null: not chosen yet."},
    "attempts": {**COUNT, "description": "Machines that were reclaimed do not count."},
    "created": MOMENT,
    "finished": nullable(MOMENT),
    "error": {**nullable(TEXT), "description": "Why it failed, or why its last attempt did."},
}

STEP = open_object_of(
    {
        "name": TEXT,
        "status": {"type": "string", "enum": list(STEP_STATUSES)},
        "started": MOMENT,
        "finished": nullable(MOMENT),
        "error": nullable(TEXT),
    },
    versions={
        "type": "object",
        "additionalProperties": VERSION,
        "description": "Of a step, or its parts: the version of its model that was asked.",
    },
    cache={
        "type": "object",
        "additionalProperties": {"type": "string", "enum": ["hit", "miss", "bypass"]},
        "description": "Of a step, or its parts, with a cache: what came of looking it up.",
    },
    value_url={
        "type": "string",
        "format": "uri",
        "description": f"Reads what it gave, for an hour at the most: {SESSION}",
    },
    value_header_length=HEADER_LENGTH,
)

SCHEMAS: dict[str, Schema] = {
    "PutRequest": {
        **object_of(
            model=NAME,
            version=VERSION,
            request=reference("InferenceRequest"),
            upload={"type": "boolean", "description": "True: it lies where it was uploaded."},
            inference_header_content_length={
                **HEADER_LENGTH,
                "description": "Of an upload with binary tensors: bytes of its JSON part.",
            },
            callback_url=CALLBACK_URL,
        ),
        "required": ["model"],
        "oneOf": [
            {"required": ["request"]},
            {"required": ["upload"], "properties": {"upload": {"const": True}}},
        ],
    },
    "UploadRequest": open_object_of(
        {"size_bytes": {"type": "integer", "minimum": 1, "maximum": UPLOAD_LIMIT_BYTES}}
    ),
    "Upload": object_of(
        id=ID,
        upload_url={"type": "string", "format": "uri"},
        method={"const": "PUT"},
        expires_in_seconds={**COUNT, "description": f"At the most: {SESSION}"},
        next=TEXT,
    ),
    "AsyncRequests": object_of(
        requests=list_of(open_object_of(SHORT)),
        next={
            **nullable(TEXT),
            "description": "Cursor of the next page; null: there is none. A page may be short.",
        },
    ),
    "AsyncRequest": open_object_of(
        {
            **SHORT,
            "started": {**nullable(MOMENT), "description": "Begin of the newest attempt."},
        },
        response=reference("InferenceResponse"),
        response_url={
            "type": "string",
            "format": "uri",
            "description": f"Reads the result, for an hour at the most: {SESSION}",
        },
        response_header_length=HEADER_LENGTH,
        cancel_requested={"const": True},
        step_versions={
            "type": "object",
            "additionalProperties": VERSION,
            "description": "Of a pipeline that has answered: the version that each step asked.",
        },
        steps={
            **list_of(STEP),
            "description": "There if a durable pipeline runs it: the steps that have begun.",
        },
        callback=object_of(url=CALLBACK_URL, sent=nullable(MOMENT), error=nullable(TEXT)),
    ),
}
