"""``/batch/…``: start, preview, list, read, cancel and retry batch jobs."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from serval.access.admission import NO_MODEL, Admission
from serval.access.api_key import Caller
from serval.batch.assemble.results import Results
from serval.batch.job.cost import Estimate
from serval.batch.job.document import JobDocuments, describe_preview
from serval.batch.job.job import BatchJob
from serval.batch.start.job_request import JobRequest
from serval.batch.start.scope import UNTOLD, JobAccess
from serval.batch.start.start import KEY, StartJob
from serval.http.aws_failures import translate_aws_failures
from serval.http.bodies import read_json_body
from serval.http.call import Event, HttpCall, Log, Reply, reply_to, text_reply
from serval.http.dispatch import find_endpoint
from serval.http.endpoints import CANCEL_JOB, FUNCTIONS, LIST_JOBS, RETRY_JOB, START_JOB
from serval.http.location import location
from serval.http.parameters import read_count, read_flag

SHARDS_A_SECOND, MOST_RETRY_SECONDS = 500, 10
"""Reading a job reads all its shards, so a caller should read a job of many shards less often."""
LISTED, MOST_LISTED = 20, 100
"""Jobs of a list by default, and at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchEndpoint:
    """Answers calls about batch jobs."""

    admission: Admission
    access: JobAccess
    start_job: StartJob
    preview: Callable[[JobRequest, str], Estimate]
    """Estimates a job of a version."""
    cancel: Callable[[BatchJob], BatchJob]
    retry: Callable[[BatchJob], BatchJob]
    documents: JobDocuments
    results: Results
    log: Log

    def reply(self, event: Event) -> Reply:
        """Answer an event of API Gateway."""
        return reply_to(event, self._answer, self.log, self.admission.authenticator)

    @translate_aws_failures()
    def _answer(self, call: HttpCall) -> Reply:
        endpoint, call = find_endpoint(FUNCTIONS["batch"], call)
        if endpoint == START_JOB:
            return self._start(call)
        if endpoint == LIST_JOBS:
            return self._list(call)
        caller = self.admission.authenticate(call.headers)
        job = self.access.job(caller, call.names["id"])
        if endpoint == CANCEL_JOB:
            return self._reply_with(call, caller, self.cancel(job))
        if endpoint == RETRY_JOB:
            return self._reply_with(call, caller, self._retry(caller, job))
        document = self._document(caller, job) | self._results(caller, job)
        return document_reply(HTTPStatus.OK, document, retry_after(job))

    def _start(self, call: HttpCall) -> Reply:
        model = call.model
        caller, route = self.admission.admit(call.headers, model)
        self.start_job.caps.count_call(caller)
        dry_run = read_flag(call, "dry_run")
        request = JobRequest.from_json(model, read_json_body(call))
        if dry_run:
            output = self.start_job.output(request, caller)
            estimate = self.preview(request, route.stable)
            return document_reply(
                HTTPStatus.OK, describe_preview(request, route.stable, output, estimate), {}
            )
        job = self.start_job.start(request, caller, call.headers.get(KEY))
        return self._reply_with(call, caller, job)

    def _retry(self, caller: Caller, job: BatchJob) -> BatchJob:
        self.start_job.caps.count_call(caller)
        if not job.open:
            self.start_job.caps.check_open_jobs(caller, job.model)
        return self.retry(job)

    def _list(self, call: HttpCall) -> Reply:
        limit = read_count(call, "limit", MOST_LISTED, LISTED)
        model = call.query.get("model")
        caller = self.admission.authenticate(call.headers, model or NO_MODEL)
        if model is None:
            jobs = self.access.newest(caller, limit)
        else:
            self.admission.find_route(caller, model)
            jobs = list(self.access.store.of_model(model, limit))
        documents = [self._redact(caller, job, self.documents.describe_row(job)) for job in jobs]
        return document_reply(HTTPStatus.OK, {"jobs": documents}, {})

    def _document(self, caller: Caller, job: BatchJob) -> dict[str, Any]:
        return self._redact(caller, job, self.documents.describe(job))

    def _results(self, caller: Caller, job: BatchJob) -> dict[str, Any]:
        if job.open or not job.output or not self.start_job.scope.can_download(caller, job):
            return {}
        return {"results": self.results.of(job)}

    def _redact(self, caller: Caller, job: BatchJob, document: dict[str, Any]) -> dict[str, Any]:
        """Leave out the reason of a failure that may quote records the caller may not read."""
        if document["error"] is None or self.start_job.scope.can_read(caller, job):
            return document
        return document | {"error": UNTOLD}

    def _reply_with(self, call: HttpCall, caller: Caller, job: BatchJob) -> Reply:
        """Reply with a job that was started, cancelled or queued again."""
        headers = retry_after(job) | {"location": location(call, f"batch/jobs/{job.id}")}
        status = HTTPStatus.ACCEPTED if job.open else HTTPStatus.OK
        return document_reply(status, self._document(caller, job), headers)


def retry_after(job: BatchJob) -> dict[str, str]:
    """Write when to read a job again that goes on."""
    seconds = max(1, min(MOST_RETRY_SECONDS, job.shards // SHARDS_A_SECOND))
    return {"retry-after": str(seconds)} if job.open else {}


def document_reply(status: HTTPStatus, document: Any, headers: dict[str, str]) -> Reply:
    """Make a reply of a document."""
    return text_reply(status, json.dumps(document, ensure_ascii=False), headers)
