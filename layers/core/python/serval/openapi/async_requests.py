"""Operations of async requests: submit, upload, read, cancel, retry; and the callback."""

from collections.abc import Iterable
from typing import Any

from serval.openapi.infer import EXAMPLE, REDIRECTED, REQUEST_HEADERS, VERSION_HEADER, header
from serval.openapi.operations import (
    BINARY,
    JSON,
    Operation,
    content,
    errors,
    parameter,
    path_of_model,
)
from serval.openapi.request_schemas import CALLBACK_URL, ID, STATUS
from serval.openapi.schemas import MOMENT, NAME
from serval.requests.list_requests import MOST_LISTED

TAG = "async requests"
MODEL = "/async/models/{model}"
MODEL_VERSION = "/async/models/{model}/versions/{version}"
REQUEST = "/async/requests/{id}"
REQUEST_NAME = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "Id of an async request.",
    "schema": ID,
    "example": "order-4711",
}
WHOSE = parameter("model", "Whose request it is, if several models have one of that id.", NAME)
STREAM = parameter(
    "stream",
    "`true`: the answer is read while it is written, at the request's `/events`.",
    {"type": "boolean"},
)
FOLLOW = parameter(
    "follow",
    "`true`: go where events come as they are written, without an end after 20 s.",
    {"type": "boolean"},
)
LAST_EVENT_ID = header(
    "Last-Event-ID",
    "The last event that the reader has; what follows comes.",
    {"type": "string"},
)
OF_SUBMIT = (400, 401, 403, 404, 413, 429, 503)
PREFER = header(
    "Prefer",
    "`wait=20`: answer when the request has ended, or after so many seconds, at most 20.",
    {"type": "string"},
)
CALLBACK_HEADER = header(
    "serval-callback-url", "Where to POST the document when the request ends.", CALLBACK_URL
)
RETRY_AFTER = {
    "Retry-After": {
        "description": "Seconds after which to look again, while it has not ended.",
        "schema": {"type": "integer"},
    }
}
LOCATION = {
    "Location": {
        "description": "The request's URL, relative to this one where the API has a path.",
        "schema": {"type": "string", "format": "uri-reference"},
    }
}
APPLIED = {
    "Preference-Applied": {
        "description": "How long was waited at most, if that was asked for.",
        "schema": {"type": "string"},
    }
}
SIGNATURE = [
    header("webhook-id", "The same for one end of one request.", {"type": "string"}),
    header("webhook-timestamp", "Seconds since 1970.", {"type": "string"}),
    header(
        "webhook-signature",
        "By the Standard Webhooks scheme, with the callback secret of the API key.",
        {"type": "string"},
    ),
]


def document_response(description: str, headers: dict[str, Any]) -> dict[str, Any]:
    """Describe a response that is a request's document."""
    return {"description": description, "headers": headers, "content": content("AsyncRequest")}


def submit_responses(statuses: Iterable[int]) -> dict[str, Any]:
    """Describe the responses to a submission."""
    return {
        "202": document_response("It is queued or runs.", {**LOCATION, **RETRY_AFTER, **APPLIED}),
        "200": document_response("It has ended.", {**LOCATION, **APPLIED}),
        **errors(statuses),
    }


def describe_callback(url: str) -> dict[str, Any]:
    """Describe the callback; ``url`` is the expression for its receiver."""
    post = {
        "summary": "The request has ended",
        "parameters": SIGNATURE,
        "requestBody": {"required": True, "content": content("AsyncRequest")},
        "responses": {
            "2XX": {"description": "It is accepted."},
            "410": {"description": "No more callbacks about this request."},
        },
    }
    return {"ended": {url: {"post": post}}}


def submit(*, versioned: bool) -> Operation:
    """Describe submitting to the route's version, or to one named in the path."""
    own = [PREFER, CALLBACK_HEADER, STREAM]
    named = "one version" if versioned else "the version that the route chooses"
    return {
        "operationId": "submitVersion" if versioned else "submit",
        "tags": [TAG],
        "summary": f"Submit an async request to {named}",
        "parameters": [*REQUEST_HEADERS, *([] if versioned else [VERSION_HEADER]), *own],
        "requestBody": {
            "required": True,
            "content": {
                JSON: {**content("InferenceRequest")[JSON], "example": EXAMPLE},
                BINARY: {},
            },
        },
        "responses": submit_responses(OF_SUBMIT),
        "callbacks": describe_callback("{$request.header.serval-callback-url}"),
    }


def upload(*, versioned: bool) -> Operation:
    """Describe the call that returns an upload's URL."""
    return {
        "operationId": "beginVersionUpload" if versioned else "beginUpload",
        "tags": [TAG],
        "summary": "Give a URL to upload an inference request to",
        "parameters": [] if versioned else [VERSION_HEADER],
        "requestBody": {"required": True, "content": content("UploadRequest")},
        "responses": {
            "201": {"description": "The URL, and what comes next", "content": content("Upload")},
            **errors((400, 401, 403, 404, 413, 429, 503)),
        },
    }


PUT: Operation = {
    "operationId": "putRequest",
    "tags": [TAG],
    "summary": "Submit an async request under an id of your own, or an upload",
    "description": "May be repeated: the request runs once. Something else under the id is a 409.",
    "parameters": [PREFER, REQUEST_HEADERS[1], STREAM],
    "requestBody": {"required": True, "content": content("PutRequest")},
    "responses": submit_responses((*OF_SUBMIT, 409)),
    "callbacks": describe_callback("{$request.body#/callback_url}"),
}
GET: Operation = {
    "operationId": "getRequest",
    "tags": [TAG],
    "summary": "Status of an async request, and its result",
    "parameters": [WHOSE],
    "responses": {
        "200": document_response("The request", RETRY_AFTER),
        **errors((401, 404, 409, 503)),
    },
}
EVENTS: Operation = {
    "operationId": "getRequestEvents",
    "tags": [TAG],
    "summary": "What is written of a request, as server-sent events",
    "description": "Answers with the events that there are, or the first that come within 20 s.",
    "parameters": [WHOSE, FOLLOW, LAST_EVENT_ID],
    "responses": {
        "200": {
            "description": "Events `token`, each with its number as id; at last `end` or `error`.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
        **REDIRECTED,
        **errors((400, 401, 404, 409, 503)),
    },
}
CANCEL: Operation = {
    "operationId": "cancelRequest",
    "tags": [TAG],
    "summary": "Cancel an async request",
    "parameters": [WHOSE],
    "responses": {
        "200": document_response("It never runs.", {}),
        "202": document_response("It runs, and was asked to stop.", RETRY_AFTER),
        **errors((401, 404, 409, 503)),
    },
}
RETRY: Operation = {
    "operationId": "retryRequest",
    "tags": [TAG],
    "summary": "Queue a failed or cancelled async request again",
    "parameters": [WHOSE, PREFER],
    "responses": submit_responses((401, 404, 409, 429, 503)),
}

LIST: Operation = {
    "operationId": "listRequests",
    "tags": [TAG],
    "summary": "List async requests, those of each model newest first",
    "parameters": [
        parameter("model", "Only this model's; else those of every model in scope.", NAME),
        parameter("status", "Only those.", STATUS),
        parameter("since", "The earliest time of submission.", MOMENT),
        parameter("before", "Only what was submitted before.", MOMENT),
        parameter(
            "limit", "How many at most: 20 without it.", {"type": "integer", "maximum": MOST_LISTED}
        ),
        parameter("cursor", "`next` of the page before.", {"type": "string"}),
    ],
    "responses": {
        "200": {"description": "A page", "content": content("AsyncRequests")},
        **errors((400, 401, 403, 404, 503)),
    },
}


def of_model(prefix: str, *, versioned: bool) -> dict[str, Operation]:
    """Describe the paths of a model, or of a version of it."""
    return {
        f"{prefix}/infer": path_of_model(
            {"post": submit(versioned=versioned)}, versioned=versioned
        ),
        f"{prefix}/uploads": path_of_model(
            {"post": upload(versioned=versioned)}, versioned=versioned
        ),
    }


PATHS: dict[str, Operation] = {
    **of_model(MODEL, versioned=False),
    **of_model(MODEL_VERSION, versioned=True),
    "/async/requests": {"get": LIST},
    REQUEST: {"parameters": [REQUEST_NAME], "get": GET, "put": PUT, "delete": CANCEL},
    f"{REQUEST}/events": {"parameters": [REQUEST_NAME], "get": EVENTS},
    f"{REQUEST}/retry": {"parameters": [REQUEST_NAME], "post": RETRY},
}
