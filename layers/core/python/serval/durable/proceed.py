"""Proceed with a durable pipeline's request: what its state machine calls, again and again.

::

    advance -> the steps that can run now -> run each -> advance -> ... -> ended
                                              |   ^
                                              v   |  (its requests to a fleet have ended)
                                             waits

Every call may come twice, or die at any point: values are written before the records that point to
them, and the record of a step that is done stands.
"""

import json
import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from serval.clock import Clock, timestamp, utc_now
from serval.durable.end import EndPipeline, same_attempt
from serval.durable.kept_values import keep, read_kept
from serval.durable.step_requests import StepAsks, StepRequests
from serval.durable.step_run import StepRun, wanted_outputs
from serval.errors import InferenceFailed, MalformedBody, ServalError
from serval.faults import fault_of
from serval.inference.run import read_fitting
from serval.models.route import KnownVersions
from serval.models.version import ModelVersion
from serval.pipelines.definition import PipelineDefinition
from serval.pipelines.model import StepVersions
from serval.pipelines.plan import PipelinePlan, make_plan
from serval.pipelines.postponed import StepPostponed
from serval.pipelines.run_values import Value
from serval.pipelines.step_times import StepTimes
from serval.pipelines.tasks.run_inputs import complete_inputs
from serval.protocol.request import InferenceRequest
from serval.protocol.response import InferenceResponse, write_response
from serval.requests import lifecycle
from serval.requests.end_attempt import Result
from serval.requests.ports import Payloads, change
from serval.requests.request import AsyncRequest, response_key, step_key
from serval.requests.step_records import StepRecord, StepRecords
from serval.step_failures import StepFailure

RUN_BYTES = 4
"""Of randomness in the key of what a run of a step gave."""
ENDED: Mapping[str, Any] = {"outcome": "ended"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Proceed:
    """Runs the next part of a pipeline's request."""

    records: StepRecords
    payloads: Payloads
    registry: KnownVersions
    versions: StepVersions
    stable: Callable[[str], str]
    requests: StepRequests
    end: EndPipeline
    clock: Clock = utc_now

    def reply(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Answer the state machine: advance, run a step, or give up for an error."""
        row = self.requests.store.find(event["request"])
        if row is None or row.status != "running" or row.attempt != event["attempt"]:
            return dict(ENDED)
        if row.cancel_requested:
            self.end.cancel(row)
            return dict(ENDED)
        if "error" in event:
            return self._give_up(row, event.get("step"), event["error"])
        if "step" in event:
            return self._run_step(row, event["step"])
        return self._advance(row, event["execution"])

    def _advance(self, row: AsyncRequest, execution: str) -> dict[str, Any]:
        """Name the steps whose values can be found now; end the request once all are there."""
        row = self._extend(row, execution) or row
        work = self._open(row)
        done = {name for name, record in work.records.items() if record.done}
        steps = {name for wave in work.plan.waves for name in wave}
        ready = [
            name
            for name in work.plan.order
            if name not in done and work.plan.steps[name].reads & steps <= done
        ]
        if ready:
            return {"outcome": "steps", "steps": ready}
        try:
            read = {name for each in work.plan.reading.values() for name in each.names}
            wanted = wanted_outputs(work.record, work.request)
            outputs = self._step_run(work, read, StepTimes()).outputs(wanted)
            body, length = write_response(
                InferenceResponse(row.model, work.record.version, outputs), work.request
            )
        except ServalError as error:
            self.end.fail(row, error)
            return dict(ENDED)
        key = response_key(row.id, row.attempt)
        self.payloads.put(key, body)
        was_kept = any("hit" in each.cache.values() for each in work.records.values())
        asked = (each.versions.items() for each in work.records.values())
        versions = dict(chain.from_iterable(asked))
        result = Result(key, len(body), length, json.dumps(versions))
        self.end.succeed(row, result, was_kept=was_kept)
        return dict(ENDED)

    def _run_step(self, row: AsyncRequest, name: str) -> dict[str, Any]:
        """Run a step, unless it has run before."""
        work = self._open(row)
        known = work.records.get(name)
        if known is not None and known.done:
            return dict(ENDED)
        begun = known.started if known and known.status == "running" else timestamp(self.clock())
        record = StepRecord(name=name, status="running", started=begun)
        planned = work.plan.steps[name]
        asks, times = StepAsks(self.requests, row, name), StepTimes()
        try:
            value = self._step_run(work, planned.reads, times).value(name, asks)
        except StepPostponed as waits:
            noted = self._note(record, known, times)
            self.records.write(row.id, replace(noted, requests=waits.requests))
            self._extend(row, row.runner or "")
            return {"outcome": "waits", "requests": waits.requests, "seconds": waits.seconds}
        except ServalError as error:
            if fault_of(error) == "stage":
                raise  # the state machine tries again
            self._fail(row, record, error)
            self._count_failed(row, times.failed)
            return dict(ENDED)
        asks.keep_answers()
        self.records.write(row.id, self._keep(work, self._note(record, known, times), value))
        self._count_failed(row, times.failed)
        return dict(ENDED)

    def _count_failed(self, row: AsyncRequest, steps: Collection[str]) -> None:
        if steps:
            self.versions.count_failed_steps(row.model, steps)

    def _note(self, record: StepRecord, known: StepRecord | None, times: StepTimes) -> StepRecord:
        """Note which versions the step asked, and which answers had been kept.

        A run after the first finds what that one has kept.
        """
        before = known.cache if known is not None and known.status == "running" else {}
        cache = {**times.cached, **before}
        return replace(record, cache=cache, versions=dict(times.versions))

    def _keep(self, work: "PipelineWork", record: StepRecord, value: Value | None) -> StepRecord:
        """Write what a step gave, and return its record."""
        record = replace(record, finished=timestamp(self.clock()))
        if value is None:
            return replace(record, status="skipped")
        kept = keep(work.row.model, work.record.version, value)
        key = step_key(work.row.id, record.name, secrets.token_hex(RUN_BYTES))
        self.payloads.put(key, kept.body)
        return replace(record, status="succeeded", value_key=key, **kept.described)

    def _give_up(
        self, row: AsyncRequest, name: str | None, error: Mapping[str, Any]
    ) -> dict[str, Any]:
        """End a request whose state machine has tried often enough."""
        where = "" if name is None else f"step {name!r}: "
        record = self.registry.version(row.model, row.version or "")
        reason = f"{where}{StepFailure.from_json(error)}"
        self.end.fail(row, InferenceFailed(record.model, record.version, reason))
        self._count_failed(row, () if name is None else (name,))
        return dict(ENDED)

    def _fail(self, row: AsyncRequest, record: StepRecord, error: ServalError) -> None:
        now = timestamp(self.clock())
        self.records.write(row.id, replace(record, status="failed", finished=now, error=str(error)))
        self.end.fail(row, error)

    def _extend(self, row: AsyncRequest, execution: str) -> AsyncRequest | None:
        """Keep the request from being begun again while its state machine has it."""

        def extend(now: AsyncRequest) -> AsyncRequest | None:
            if not same_attempt(now, row):
                return None
            return lifecycle.hand_over(now, execution, self.clock())

        return change(self.requests.store, row, extend)

    def _open(self, row: AsyncRequest) -> "PipelineWork":
        """Read a request, its pipeline, and what has been done of it."""
        record = self.registry.version(row.model, row.version or "")
        body = row.payload if row.payload_key is None else self.payloads.get(row.payload_key)
        if body is None:
            raise MalformedBody(f"its body is gone: there is no object {row.payload_key!r}")
        request = read_fitting(body, row.header_length, record)
        plan = make_plan(PipelineDefinition.from_json(record.bundle))
        return PipelineWork(row, record, plan, request, self.records.read(row.id))

    def _step_run(self, work: "PipelineWork", names: Collection[str], times: StepTimes) -> StepRun:
        """Collect the values that a step, or the output, reads."""
        values = {}
        for name in names:
            record = work.records.get(name)
            if record is not None and record.value_key is not None:
                values[name] = read_kept(self._value(record.value_key), record)
        return StepRun(
            work.record,
            work.plan,
            complete_inputs(work.plan.definition.task, work.request.inputs),
            self.stable,
            self.versions,
            self.registry.version,
            values,
            times,
        )

    def _value(self, key: str) -> bytes:
        body = self.payloads.get(key)
        if body is None:
            raise MalformedBody(f"the value of a step is gone: there is no object {key!r}")
        return body


@dataclass(frozen=True, slots=True)
class PipelineWork:
    """A request of a pipeline, and what has been done of it."""

    row: AsyncRequest
    record: ModelVersion
    plan: PipelinePlan
    request: InferenceRequest
    records: Mapping[str, StepRecord]
