"""The protocols of other clients: KServe's V1, SageMaker's runtime, MLflow's scoring."""

from collections.abc import Iterable
from typing import Any

from serval.openapi.infer import AFFINITY, STATUSES, VERSION_HEADER, answers, header
from serval.openapi.openai import openai_errors
from serval.openapi.operations import (
    ALWAYS,
    BINARY,
    ERRORS,
    JSON,
    MODEL,
    OF_A_MODEL,
    Operation,
    content,
    errors,
    read,
)
from serval.openapi.schemas import (
    COUNT,
    NAME,
    TEXT,
    VERSION,
    Schema,
    list_of,
    object_of,
    open_object_of,
)

CSV, NPY, PLAIN = "text/csv", "application/x-npy", "text/plain"
ROWS = [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]
COLUMNS = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
LISTING: dict[str, Schema] = {
    "id": NAME,
    "object": {"const": "model"},
    "created": {**COUNT, "description": "Seconds since 1970."},
    "owned_by": {"const": "serval"},
}
SCHEMAS: dict[str, Schema] = {
    "Alive": object_of(status={"const": "alive"}),
    "ListedModels": object_of(
        models=list_of(NAME), object={"const": "list"}, data=list_of(object_of(**LISTING))
    ),
    "ListedModel": object_of(name=NAME, ready={"const": True}, **LISTING),
    "Predictions": open_object_of({"predictions": {}}),
    "SageMakerError": open_object_of(
        {"Message": TEXT}, ErrorCode=TEXT, OriginalStatusCode=COUNT, OriginalMessage=TEXT
    ),
    "MlflowError": object_of(error_code=TEXT, message=TEXT),
}


def own_errors(schema: str, statuses: Iterable[int]) -> dict[str, Any]:
    """Describe errors in a protocol's own shape."""
    more = {415: "The Content-Type is no other's.", 424: "The model failed on a valid request."}
    return {
        str(status): {"description": (ERRORS | more)[status], "content": content(schema)}
        for status in statuses
    }


def call(name: str, summary: str, description: str, **more: Any) -> Operation:
    """Describe a call of a model."""
    return {
        "operationId": name,
        "tags": ["inference"],
        "summary": summary,
        "description": description,
        "parameters": [AFFINITY, VERSION_HEADER],
        **more,
    }


PREDICT = call(
    "predict",
    "Predict by KServe's V1 protocol",
    "`instances` are rows: of a model's only input, objects with a value for each input, or what "
    "its task takes. `inputs` are whole inputs, by name if there are several.",
    requestBody={
        "required": True,
        "content": {JSON: {"schema": {"type": "object"}, "example": {"instances": ROWS}}},
    },
    responses=answers(content("Predictions"), errors(STATUSES)),
)
INVOKE = call(
    "invokeEndpoint",
    "Invoke a model as SageMaker's runtime",
    "What InvokeEndpoint of the AWS SDKs sends, with this API as `endpoint_url` and the API key as "
    "the id of the access key. The body is an inference request, rows or inputs as V1 and MLflow "
    "have them, a bare list of rows, CSV, an array of numpy, or what a task or a handler takes.",
    requestBody={
        "required": True,
        "content": {JSON: {"example": ROWS}, CSV: {}, BINARY: {}},
    },
    responses=answers(
        {JSON: {}, CSV: {}, NPY: {}},
        own_errors("SageMakerError", (*STATUSES, 424)),
    ),
)
INVOKE["parameters"] = [
    AFFINITY,
    header("X-Amzn-SageMaker-Target-Variant", "Version that is to answer.", VERSION),
    header("X-Amzn-SageMaker-Custom-Attributes", "Sent back as it came.", TEXT),
]
INVOKE_FOR_STREAM = call(
    "invokeEndpointWithResponseStream",
    "Invoke a model as SageMaker's runtime, for an event stream",
    "What InvokeEndpointWithResponseStream of the AWS SDKs sends: bodies as those of "
    "InvokeEndpoint, whose answer is the payload of an event stream's parts.",
    requestBody=INVOKE["requestBody"],
    responses=answers(
        {"application/vnd.amazon.eventstream": {}}, own_errors("SageMakerError", (*STATUSES, 424))
    ),
)
INVOKE_FOR_STREAM["parameters"] = INVOKE["parameters"]
INVOKE_ASYNC = call(
    "invokeEndpointAsync",
    "Invoke a model as SageMaker's asynchronous inference",
    "What InvokeEndpointAsync of the AWS SDKs sends. The input is an object of the data bucket "
    "under `async/in/{model}/`, or the body; the answer, as InvokeEndpoint would give it, becomes "
    "an object too, as does what went wrong.",
    requestBody={"content": {JSON: {"example": ROWS}, CSV: {}, BINARY: {}}},
    responses={
        "202": {
            "description": "Submitted as an async request.",
            "headers": {
                "X-Amzn-SageMaker-OutputLocation": {"schema": TEXT},
                "X-Amzn-SageMaker-FailureLocation": {"schema": TEXT},
                "serval-request-id": {"schema": TEXT},
            },
            "content": {JSON: {"schema": object_of(InferenceId=TEXT)}},
        },
        **own_errors("SageMakerError", STATUSES),
    },
)
INVOKE_ASYNC["parameters"] = [
    AFFINITY,
    VERSION_HEADER,
    header("X-Amzn-SageMaker-InputLocation", "URL of the input in S3.", TEXT),
    header("X-Amzn-SageMaker-Content-Type", "Type of the input.", TEXT),
    header("X-Amzn-SageMaker-Accept", "Type of the answer.", TEXT),
    header("X-Amzn-SageMaker-Inference-Id", "Sent back, at most 64 characters.", TEXT),
]
SCORE = call(
    "scoreByMlflow",
    "Score by MLflow's protocol",
    "`dataframe_split`, `dataframe_records`, `instances` or `inputs`, with `params` for a task; or "
    "CSV with a header. Columns are found by name.",
    requestBody={
        "required": True,
        "content": {
            JSON: {
                "schema": {"type": "object"},
                "example": {"dataframe_split": {"columns": COLUMNS, "data": ROWS}},
            },
            CSV: {},
        },
    },
    responses=answers(content("Predictions"), own_errors("MlflowError", (*STATUSES, 415))),
)


def read_text(name: str, summary: str, statuses: Iterable[int]) -> Operation:
    """Describe a read of MLflow's protocol, which is plain text."""
    return {
        "operationId": name,
        "tags": ["metadata"],
        "summary": summary,
        "responses": {
            "200": {"description": summary, "content": {PLAIN: {"schema": TEXT}}},
            **own_errors("MlflowError", statuses),
        },
    }


def read_listing(name: str, summary: str, schema: str, statuses: Iterable[int]) -> Operation:
    """Describe an operation that V1 shares with OpenAI's API, whose errors it has."""
    operation = read(name, summary, schema, statuses=())
    operation["responses"] |= openai_errors(statuses)
    return operation


LISTED = "Models as V1 and OpenAI's API list them"
LIST = read_listing("listModelsForClients", LISTED, "ListedModels", ALWAYS)
READY = "Readiness as V1 has it, and the model as OpenAI's API describes it"
PATHS: dict[str, Operation] = {
    "/": {"get": read("getAlive", "Is the server alive, in V1's words", "Alive")},
    "/v1/models": {"get": LIST},
    "/v1/models/{model}": {
        "parameters": [MODEL],
        "get": read_listing("getListedModel", READY, "ListedModel", OF_A_MODEL),
    },
    "/v1/models/{model}:predict": {"parameters": [MODEL], "post": PREDICT},
    "/endpoints/{model}/invocations": {"parameters": [MODEL], "post": INVOKE},
    "/endpoints/{model}/invocations-response-stream": {
        "parameters": [MODEL],
        "post": INVOKE_FOR_STREAM,
    },
    "/endpoints/{model}/async-invocations": {"parameters": [MODEL], "post": INVOKE_ASYNC},
    "/mlflow/{model}/invocations": {"parameters": [MODEL], "post": SCORE},
    "/mlflow/{model}/ping": {
        "parameters": [MODEL],
        "get": read_text("pingForMlflow", "Readiness of a model: an empty line", OF_A_MODEL),
    },
    "/mlflow/{model}/health": {
        "parameters": [MODEL],
        "get": read_text("getHealthForMlflow", "The same by another name", OF_A_MODEL),
    },
    "/mlflow/{model}/version": {
        "parameters": [MODEL],
        "get": read_text("getMlflowVersion", "The version of MLflow that is spoken", (401, 503)),
    },
}
