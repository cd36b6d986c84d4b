"""Batch jobs: start, look, list, cancel, retry. An event in, a reply out."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from serval.batch.job.document import JobDocuments, previewed
from serval.batch.job.job import BatchJob
from serval.batch.job.results import Results
from serval.batch.start.estimate import Estimate
from serval.batch.start.job_request import AskedJob
from serval.batch.start.scope import UNTOLD, JobAccess
from serval.batch.start.start import KEY, StartJob
from serval.errors import ServalError
from serval.http import query
from serval.http.aws_failures import aws_failures_as_ours
from serval.http.batch_endpoints import CANCEL, ENDPOINTS, LIST, RETRY, START
from serval.http.bodies import json_body
from serval.http.dispatch import Endpoint, Event, Names, Reply, find, path_after_stage
from serval.http.query import location
from serval.http.replies import error_reply, text_reply
from serval.requests.access import Caller

SHARDS_A_SECOND, MOST_RETRY_SECONDS = 500, 10
"""A look at a job reads every shard of it, so one of many shards is to be looked at less often."""
LISTED, MOST_LISTED = 20, 100
"""Jobs of a list, if nobody says how many; and at most."""


@dataclass(frozen=True, slots=True)
class Call:
    """One event, read as far as every endpoint needs it."""

    event: Event
    headers: Names
    names: Names


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchEndpoint:
    """Everything that answering an event about batch jobs takes."""

    access: JobAccess
    starting: StartJob
    preview: Callable[[AskedJob, str], Estimate]
    """Says what a job of a version would take."""
    cancel: Callable[[BatchJob], BatchJob]
    retry: Callable[[BatchJob], BatchJob]
    documents: JobDocuments
    results: Results
    log: Callable[[str], object]

    def reply(self, event: Event) -> Reply:
        """Answer an event of API Gateway, payload format 2.0."""
        headers = {name.lower(): value for name, value in event["headers"].items()}
        method = event["requestContext"]["http"]["method"]
        try:
            endpoint, names = find(ENDPOINTS, method, path_after_stage(event))
            with aws_failures_as_ours():
                return self._answer(endpoint, Call(event, headers, names))
        except ServalError as error:
            return error_reply(error, self.log, event, self.access.admission.authenticator)

    def _answer(self, endpoint: Endpoint, call: Call) -> Reply:
        if endpoint == START:
            return self._start(call)
        if endpoint == LIST:
            return self._list(call)
        caller = self.access.caller(call.headers)
        job = self.access.job(caller, call.names["id"])
        if endpoint == CANCEL:
            return self._changed(call, caller, self.cancel(job))
        if endpoint == RETRY:
            return self._changed(call, caller, self._retry(caller, job))
        document = self._document(caller, job) | self._results(caller, job)
        return document_reply(HTTPStatus.OK, document, waiting(job))

    def _start(self, call: Call) -> Reply:
        model = call.names["model"]
        caller, route = self.access.admit(call.headers, model)
        self.starting.caps.count(caller)
        dry_run = query.truth(call.event, "dry_run")
        asked = AskedJob.from_json(model, json_body(call.event, call.headers))
        if dry_run:
            output = self.starting.output(asked, caller)
            estimate = self.preview(asked, route.stable)
            return document_reply(
                HTTPStatus.OK, previewed(asked, route.stable, output, estimate), {}
            )
        job = self.starting.start(asked, caller, call.headers.get(KEY))
        return self._changed(call, caller, job)

    def _retry(self, caller: Caller, job: BatchJob) -> BatchJob:
        self.starting.caps.count(caller)
        if not job.open:
            self.starting.caps.make_room(caller, job.model)
        return self.retry(job)

    def _list(self, call: Call) -> Reply:
        limit = query.count(call.event, "limit", MOST_LISTED, LISTED)
        model = query.text(call.event, "model")
        if model is None:
            caller = self.access.caller(call.headers)
            jobs = self.access.newest(caller, limit)
        else:
            caller, _ = self.access.admit(call.headers, model)
            jobs = list(self.access.store.of_model(model, limit))
        documents = [self._shown(caller, job, self.documents.listed(job)) for job in jobs]
        return document_reply(HTTPStatus.OK, {"jobs": documents}, {})

    def _document(self, caller: Caller, job: BatchJob) -> dict[str, Any]:
        return self._shown(caller, job, self.documents.of(job))

    def _results(self, caller: Caller, job: BatchJob) -> dict[str, Any]:
        if job.open or not job.output or not self.starting.reach.delivers(caller, job):
            return {}
        return {"results": self.results.of(job)}

    def _shown(self, caller: Caller, job: BatchJob, document: dict[str, Any]) -> dict[str, Any]:
        """Leave out why a job failed where that would quote records that are not the caller's."""
        if document["error"] is None or self.starting.reach.reads(caller, job):
            return document
        return document | {"error": UNTOLD}

    def _changed(self, call: Call, caller: Caller, job: BatchJob) -> Reply:
        """Answer with a job that was started, cancelled or queued again."""
        headers = waiting(job) | {"location": location(call.event, f"batch/jobs/{job.id}")}
        status = HTTPStatus.ACCEPTED if job.open else HTTPStatus.OK
        return document_reply(status, self._document(caller, job), headers)


def waiting(job: BatchJob) -> dict[str, str]:
    """Say when to look again at a job that goes on."""
    seconds = max(1, min(MOST_RETRY_SECONDS, job.shards // SHARDS_A_SECOND))
    return {"retry-after": str(seconds)} if job.open else {}


def document_reply(status: HTTPStatus, document: Any, headers: dict[str, str]) -> Reply:
    """Give a reply."""
    return text_reply(status, json.dumps(document, ensure_ascii=False), headers)
