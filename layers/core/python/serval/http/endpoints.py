"""The table of endpoints: those of async requests and batch jobs, and which function answers them.

``serval.http.describe`` lists its own beside what they answer.
"""

from collections.abc import Mapping

from serval.http.dispatch import Endpoint

INFER = (
    Endpoint("POST", "/v2/models/{model}/infer"),
    Endpoint("POST", "/v2/models/{model}/versions/{version}/infer"),
    Endpoint("POST", "/models/{model}"),
    Endpoint("POST", "/models/{model}/versions/{version}"),
    Endpoint("POST", "/v1/models/{model}:predict"),
    Endpoint("POST", "/endpoints/{model}/invocations"),
    Endpoint("POST", "/endpoints/{model}/invocations-response-stream"),
    Endpoint("POST", "/mlflow/{model}/invocations"),
    *(
        Endpoint("POST", f"{base}/v1/{name}")
        for base in ("", "/models/{model}")
        for name in ("chat/completions", "completions", "embeddings")
    ),
)
SUBMIT = (
    Endpoint("POST", "/async/models/{model}/infer"),
    Endpoint("POST", "/async/models/{model}/versions/{version}/infer"),
)
UPLOAD = (
    Endpoint("POST", "/async/models/{model}/uploads"),
    Endpoint("POST", "/async/models/{model}/versions/{version}/uploads"),
)
INVOKE_ASYNC = Endpoint("POST", "/endpoints/{model}/async-invocations")
PUT_REQUEST = Endpoint("PUT", "/async/requests/{id}")
RETRY_REQUEST = Endpoint("POST", "/async/requests/{id}/retry")
GET_REQUEST = Endpoint("GET", "/async/requests/{id}")
GET_EVENTS = Endpoint("GET", "/async/requests/{id}/events")
CANCEL_REQUEST = Endpoint("DELETE", "/async/requests/{id}")
LIST_REQUESTS = Endpoint("GET", "/async/requests")
START_JOB = Endpoint("POST", "/batch/models/{model}/jobs")
LIST_JOBS = Endpoint("GET", "/batch/jobs")
GET_JOB = Endpoint("GET", "/batch/jobs/{id}")
CANCEL_JOB = Endpoint("DELETE", "/batch/jobs/{id}")
RETRY_JOB = Endpoint("POST", "/batch/jobs/{id}/retry")

FUNCTIONS: Mapping[str, tuple[Endpoint, ...]] = {
    "submit": (*SUBMIT, *UPLOAD, PUT_REQUEST, RETRY_REQUEST, INVOKE_ASYNC),
    "requests": (GET_REQUEST, GET_EVENTS, CANCEL_REQUEST, LIST_REQUESTS),
    "batch": (START_JOB, LIST_JOBS, GET_JOB, CANCEL_JOB, RETRY_JOB),
}
