"""Shapes of what submitting takes, and of a request's document."""

from serval.openapi.schemas import (
    COUNT,
    NAME,
    TEXT,
    VERSION,
    Schema,
    closed,
    listed,
    opened,
    reference,
)

ID: Schema = {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"}
CALLBACK_URL: Schema = {"type": "string", "format": "uri", "maxLength": 2000}
UPLOAD_BYTES = 1_000_000_000
MOMENT: Schema = {"type": "string", "format": "date-time"}
SESSION = "it ends sooner if the session does that signed it; ask again then, for another URL."
HEADER_LENGTH: Schema = {
    **COUNT,
    "description": "Bytes of the JSON part; binary tensors follow it.",
}


def perhaps(schema: Schema) -> Schema:
    """Give a shape that may be null instead."""
    return {**schema, "type": [schema["type"], "null"]}


STATUS: Schema = {
    "type": "string",
    "enum": ["queued", "running", "succeeded", "failed", "cancelled"],
}
SHORT: dict[str, Schema] = {
    "id": ID,
    "status": STATUS,
    "model": NAME,
    "version": {**perhaps(VERSION), "description": "null: not chosen yet."},
    "attempts": {**COUNT, "description": "Machines that were reclaimed do not count."},
    "created": MOMENT,
    "finished": perhaps(MOMENT),
    "error": {**perhaps(TEXT), "description": "Why it failed, or why its last attempt did."},
}

SCHEMAS: dict[str, Schema] = {
    "PutRequest": {
        **closed(
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
    "UploadRequest": opened(
        {"size_bytes": {"type": "integer", "minimum": 1, "maximum": UPLOAD_BYTES}}
    ),
    "Upload": closed(
        id=ID,
        upload_url={"type": "string", "format": "uri"},
        method={"const": "PUT"},
        expires_in_seconds={**COUNT, "description": f"At the most: {SESSION}"},
        next=TEXT,
    ),
    "AsyncRequests": closed(
        requests=listed(opened(SHORT)),
        next={
            **perhaps(TEXT),
            "description": "Cursor of the next page; null: there is none. A page may be short.",
        },
    ),
    "AsyncRequest": opened(
        {
            **SHORT,
            "started": {**perhaps(MOMENT), "description": "Begin of the newest attempt."},
        },
        response=reference("InferenceResponse"),
        response_url={
            "type": "string",
            "format": "uri",
            "description": f"Reads the result, for an hour at the most: {SESSION}",
        },
        response_header_length=HEADER_LENGTH,
        cancel_requested={"const": True},
        callback=closed(url=CALLBACK_URL, sent=perhaps(MOMENT), error=perhaps(TEXT)),
    ),
}
