"""The endpoints of batch jobs, by name: also for those that only name them."""

from serval.http.dispatch import Endpoint

JOBS, JOB = "/batch/jobs", "/batch/jobs/{id}"
START, LIST = Endpoint("POST", "/batch/models/{model}/jobs"), Endpoint("GET", JOBS)
GET, CANCEL = Endpoint("GET", JOB), Endpoint("DELETE", JOB)
RETRY = Endpoint("POST", f"{JOB}/retry")
ENDPOINTS = (START, LIST, GET, CANCEL, RETRY)
