"""Async requests that a step makes to its model on a fleet, one for each run of the model.

Their ids follow from the pipeline's request, the step and the number of the run, so that a step
that is run again finds what it has asked before.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import ceil
from typing import Protocol

from serval.access.api_key import Caller
from serval.clock import Clock, utc_now
from serval.durable.step_answers import FindVersion, StepAnswers
from serval.inference.kept_answers import KeptAnswers, Outcome
from serval.models.route import Route
from serval.models.signature import TensorSpec
from serval.models.tensor import Tensor
from serval.models.version import ModelVersion
from serval.pipelines.postponed import StepPostponed
from serval.pipelines.run import StepGoneWrong
from serval.pipelines.steps import StepDefinition
from serval.protocol.client import read_response, write_request
from serval.requests.ids import row_id
from serval.requests.ports import Payloads, RequestStore
from serval.requests.request import AsyncRequest
from serval.requests.result import read_result
from serval.requests.submit.submission import Submission

LOOK_SECONDS = 3600
"""How long a step waits before it looks for its requests by itself."""


class SubmitAs(Protocol):
    """What turns a submission into an async request."""

    def submit_as(
        self, request_id: str, submission: Submission, caller: Caller, route: Route
    ) -> AsyncRequest:
        """Submit a request under an id of ours; return the one that has the id already, if any."""

    def announce(self, request: AsyncRequest) -> None:
        """Send the message about a request, and wake its fleet."""


class Asker(Protocol):
    """On whose behalf requests are made: a pipeline's request, or a batch job."""

    @property
    def id(self) -> str:
        """The id that those of the requests are derived from."""

    @property
    def submitter(self) -> str | None:
        """The hash of the API key that stands behind it."""

    @property
    def started(self) -> str | None:
        """When its last attempt began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRequests:
    """Makes and reads the requests of steps."""

    store: RequestStore
    payloads: Payloads
    submit: SubmitAs
    route: Callable[[str], Route]
    retry: Callable[[AsyncRequest], AsyncRequest]
    """Queues a request again that failed."""
    cancel: Callable[[str], None]
    """Cancels a request, by its id."""
    answers: Callable[[], KeptAnswers] | None = None
    """Reaches kept answers; None: nothing is looked up."""
    clock: Clock = utc_now


@dataclass(slots=True)
class StepAsks:
    """The requests of one run of a step, in the order in which it makes them."""

    known: StepRequests
    parent: Asker
    name: str
    """The step's, or what tells this call from others of a job."""
    version: str | None = None
    """The version that is asked next; None: the route decides when the work begins."""
    part: str = ""
    """The step or part that asks next."""
    versions: dict[str, str] = field(default_factory=dict)
    """Step or part → the version that answered it."""
    allowed_seconds: float | None = None
    """For all requests of the step whose model is asked, or of what stands in for it."""
    answers: StepAnswers | None = None
    """What is looked up before a request is made; None: nothing."""
    answered: AsyncRequest | None = None
    """What was answered last."""
    _owner: str = ""
    """That step."""
    _asked: list[str] = field(default_factory=list)
    _begun: str | None = None
    """When the first of these was made."""

    def turn_to(self, owner: StepDefinition, part: StepDefinition) -> None:
        """Ask a model next, for the step or for what stands in for it."""
        if owner.name != self._owner:
            self._owner, self._begun = owner.name, None
            self.allowed_seconds = owner.timeout_seconds
        self.version, self.part = part.version, part.name
        if self.answers is not None:
            self.answers.seconds = None

    def look_up_next(
        self, find: FindVersion, seconds: int, name: str, outcomes: dict[str, Outcome]
    ) -> None:
        """Look up the next answer among those kept, for the step or part of that name."""
        if self.known.answers is None:
            return
        if self.answers is None:
            self.answers = StepAnswers(self.known.answers(), find)
        self.answers.seconds, self.answers.name = seconds, name
        self.answers.outcomes = outcomes

    def keep_answers(self) -> None:
        """Keep what was answered, once the step is done."""
        if self.answers is not None:
            self.answers.keep_all()

    def send(
        self,
        record: ModelVersion,
        inputs: Sequence[Tensor],
        outputs: Sequence[TensorSpec],
        *,
        binary: bool,
    ) -> list[Tensor]:
        """Return the outputs of a model that runs elsewhere, once they are there.

        Raises
        ------
        StepPostponed
            While they are not.
        StepGoneWrong
            If they take longer than the step may.
        ServalError
            If the model refused the inputs, or failed.
        """
        request_id = row_id(record.model, f"{self.parent.id}/{self.name}/{len(self._asked)}")
        self._asked.append(request_id)  # also if it is not made: the next one has its number
        row = self.known.store.find(request_id)
        if row is None and self.answers is not None:
            kept = self.answers.look_up(record, inputs, outputs)
            if kept is not None:
                return kept
        if row is None:
            head, content = write_request(inputs, outputs, binary_outputs=binary)
            row = self._submit(request_id, record.model, content, len(head))
        else:
            row = self._resume(row)
        left = self._left(row)
        if left is not None and left <= 0:
            self.give_up()
            raise StepGoneWrong(f"took longer than {self.allowed_seconds:g} s")
        if row.open:
            longest = LOOK_SECONDS if left is None else min(left, LOOK_SECONDS)
            raise StepPostponed([row.id], ceil(longest))
        result = read_result(row, self.known.payloads)
        length = row.response_header_length
        answer = read_response(result, None if length is None else str(length), outputs)
        self.answered = row
        if row.version is not None:
            self.versions[self.part] = row.version
        if self.answers is not None:
            asked = record, row.version or record.version
            self.answers.hold(asked, inputs, outputs, answer)
        return answer

    def give_up(self) -> None:
        """Cancel those that have not ended."""
        for request_id in self._asked:
            self.known.cancel(request_id)

    def _resume(self, row: AsyncRequest) -> AsyncRequest:
        """Return a request that was made before; make it again if its message is lost."""
        if self._failed_before(row):
            return self.known.retry(row)
        if row.status == "queued":
            self.known.submit.announce(row)  # whoever wrote the row may have died before
        return row

    def _submit(self, request_id: str, model: str, content: bytes, head: int) -> AsyncRequest:
        submission = Submission(
            model=model,
            version=self.version,
            payload=content,
            header_length=head,
            affinity=self.parent.id,
        )
        caller = Caller(key_hash=self.parent.submitter)
        route = self.known.route(model)
        return self.known.submit.submit_as(request_id, submission, caller, route)

    def _failed_before(self, row: AsyncRequest) -> bool:
        """Return whether a request failed in an earlier attempt of the pipeline's."""
        over = row.status in ("failed", "cancelled")
        return over and (row.finished or "") < (self.parent.started or "")

    def _left(self, row: AsyncRequest) -> float | None:
        """Return how many seconds the step has left, or had; None if it has no limit."""
        begun = max(row.created, self.parent.started or "")
        self._begun = min(self._begun or begun, begun)
        if self.allowed_seconds is None:
            return None
        until = datetime.fromisoformat(self._begun) + timedelta(seconds=self.allowed_seconds)
        ended = datetime.fromisoformat(row.finished) if row.finished else self.known.clock()
        return (until - ended).total_seconds()
