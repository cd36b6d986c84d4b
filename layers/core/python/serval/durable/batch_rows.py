"""Rows of batch jobs of durable pipelines: each run of them is an async request of the pipeline.

The ids follow from the job and from what is asked, so that a shard which is run again, after a
wait, a crash or a retry of its job, finds what it has asked before.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from serval.batch.job.asked_versions import AskedVersions
from serval.batch.job.job import BatchJob
from serval.batch.job.lifecycle import JobStopped
from serval.batch.shard.answers import RowsPostponed, join_rows, split_rows
from serval.durable.step_requests import StepAsks, StepRequests
from serval.errors import RequestCancelled, RequestFailed
from serval.inference.runtimes import RuntimeFailed
from serval.models.signature import TensorSpec
from serval.models.tensor import Tensor
from serval.models.version import ANSWER_SPEC, ModelVersion
from serval.pipelines.postponed import StepPostponed
from serval.protocol.client import write_request

POLL_SECONDS = 1.0
PATIENCE_SECONDS = 20.0
"""How long a function waits while nothing ends."""
AGAIN_SECONDS = 60
"""After which the shard is run again then; nothing runs meanwhile."""


@dataclass(slots=True)
class RowsCall:
    """One request for rows of a run."""

    inputs: Sequence[Tensor]
    outputs: Sequence[TensorSpec]
    name: str = field(init=False)
    request: str = ""
    """What it waits for."""
    answer: Sequence[Tensor] | None = None

    def __post_init__(self) -> None:
        _, content = write_request(self.inputs, self.outputs, binary_outputs=True)
        self.name = sha256(content).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestedRows:
    """A durable pipeline as a model of rows; one that gives JSON is asked for each row by itself.

    All requests of a run are made before any is waited for.
    """

    record: ModelVersion
    job: BatchJob
    requests: StepRequests
    may_wait: Callable[[], bool]
    """Checks the job, and returns whether there is time to wait."""
    asked: AskedVersions = field(default_factory=AskedVersions)
    """What the steps of the requests have asked."""
    pause: Callable[[float], object] = time.sleep
    timer: Callable[[], float] = time.monotonic

    def run(self, inputs: Sequence[Tensor], outputs: Sequence[TensorSpec]) -> list[Tensor]:
        """Answer rows, once their requests have ended.

        Raises
        ------
        RowsPostponed
            While they have not.
        RuntimeFailed, InvalidRequest
            If a request failed, or was refused.
        """
        in_json = self.record.answers_in_json
        calls = [
            RowsCall(each, self._answer_specs if in_json else outputs)
            for each in (split_rows(inputs) if in_json else [inputs])
        ]
        try:
            self._await(calls)
        except JobStopped:
            for call in waiting(calls):
                self.requests.cancel(call.request)
            raise
        answers = [call.answer or () for call in calls]
        return join_rows(answers) if in_json else list(answers[0])

    @property
    def _answer_specs(self) -> Sequence[TensorSpec]:
        """What one row's answer in JSON is called: as its task has it, if it stands for one."""
        return [ANSWER_SPEC] if self.record.task is None else self.record.batch_signature.outputs

    def _await(self, calls: Sequence[RowsCall]) -> None:
        for call in calls:
            self._ask(call)
        moved = self.timer()
        while late := list(waiting(calls)):
            for call in late:
                if not self._is_open(call.request):
                    self._ask(call)
                    moved = self.timer()
            if not self.may_wait() or self.timer() - moved > PATIENCE_SECONDS:
                raise RowsPostponed(AGAIN_SECONDS)
            self.pause(POLL_SECONDS)

    def _ask(self, call: RowsCall) -> None:
        """Take the answer if it is there; else make the request, if it was not made before."""
        asks = StepAsks(self.requests, self.job, call.name, self.record.version)
        try:
            call.answer = asks.send(self.record, call.inputs, call.outputs, binary=True)
        except StepPostponed as postponed:
            [call.request] = postponed.requests
        except (RequestCancelled, RequestFailed) as error:
            raise RuntimeFailed(str(error)) from error
        else:
            if asks.answered is not None and asks.answered.step_versions is not None:
                self.asked.add(json.loads(asks.answered.step_versions))

    def _is_open(self, request_id: str) -> bool:
        row = self.requests.store.find(request_id)
        return row is not None and row.open


def waiting(calls: Sequence[RowsCall]) -> Iterator[RowsCall]:
    """Yield the calls that have no answer yet."""
    return (call for call in calls if call.answer is None)
