"""Checks of a submission before it becomes an async request."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from serval.errors import (
    InvalidInputs,
    ModelVersionNotFound,
    UnsupportedFeature,
)
from serval.inference.batching import has_task_inputs
from serval.inference.run import read_fitting
from serval.models.deployed_fleets import LAMBDA, Fleets
from serval.models.route import Remembered, Route
from serval.models.storage import VERSION
from serval.models.task_signature import OPENAI, PARAMETERS
from serval.models.tensor import Tensor
from serval.models.version import PIPELINE, ModelVersion
from serval.protocol.limits import MOST, RequestLimits
from serval.protocol.request import check_json_size
from serval.requests.ports import Payloads
from serval.requests.request import UPLOAD_LIMIT_BYTES
from serval.requests.stream.piece import STREAMED_TASK, is_one_text
from serval.requests.submit.handler_bodies import check_bodies, check_uploaded_bodies
from serval.requests.submit.submission import Submission


@dataclass(frozen=True, slots=True)
class SubmissionChecks:
    """Checks submissions against the stage's fleets and the versions of their models."""

    fleets: Fleets
    read_version: Callable[[str, str], ModelVersion]
    """Reads a version's record, or raises ``ModelVersionNotFound``."""
    limits: RequestLimits = MOST
    light_upload_bytes: int = UPLOAD_LIMIT_BYTES
    """The largest upload that the function of models on Lambda has memory for."""
    _versions: Remembered[tuple[str, str], ModelVersion] = field(default_factory=Remembered)

    def find_fleet(self, record: ModelVersion) -> str:
        """Return the name of the fleet that answers a version's requests, or ``LAMBDA``."""
        return self.fleets.models.get(record.model, LAMBDA)

    def upload_limit(self, model: str) -> int:
        """Return how many bytes an upload for a model may have."""
        return UPLOAD_LIMIT_BYTES if model in self.fleets.models else self.light_upload_bytes

    def find_version(self, model: str, route: Route, wanted: str | None) -> ModelVersion:
        """Return the version asked for, or the stable one.

        Raises
        ------
        ModelVersionNotFound
            If the model has no such version.
        """
        number = route.stable if wanted is None else wanted
        if not VERSION.fullmatch(number):
            raise ModelVersionNotFound(model, number)
        return self._versions.get((model, number), lambda: self.read_version(model, number))

    def check(self, submission: Submission, record: ModelVersion, payloads: Payloads) -> None:
        """Refuse a request that does not fit the signature; an upload is checked when it runs.

        Of one for a handler on Lambda that is longer than a body may be, the bodies are looked at.

        Raises
        ------
        InvalidRequest
            Naming the tensor, the value and the expectation; or if what is asked for cannot be
            streamed.
        PayloadTooLarge
            If its JSON is longer than is read here, or, in an upload, anywhere; or if a body is
            longer than a handler on Lambda gets.
        """
        payload, length = submission.payload, submission.header_length
        to_function = record.runtime == "python" and self.find_fleet(record) == LAMBDA
        if submission.stream:
            self._check_streams(record)
        if isinstance(payload, bytes):
            request = read_fitting(payload, length, record, self.limits.json_bytes)
            check_words(record, request.inputs)
            if to_function:
                check_bodies(record, request.inputs)
            if submission.stream and not is_one_text(request.inputs):
                raise InvalidInputs("a stream has one text: the input 'text', BYTES [1], expected")
        else:
            check_json_size(submission.size_bytes if length is None else length)
            if to_function:
                check_uploaded_bodies(record, payload, length, payloads.beginning)

    def can_stream(self, record: ModelVersion) -> bool:
        """Return whether a version's answers can be read while they are written."""
        return self._why_whole(record) is None

    def _check_streams(self, record: ModelVersion) -> None:
        """Refuse a stream of a version that answers async requests only as a whole."""
        if (why := self._why_whole(record)) is not None:
            raise UnsupportedFeature(why)

    def _why_whole(self, record: ModelVersion) -> str | None:
        version = f"model {record.model!r} version {record.version}"
        if record.task != STREAMED_TASK and not record.has_openai_server:
            return (
                f"{version} has {record.task or 'no task'}: streams need the task "
                f"{STREAMED_TASK!r}, or an inference server that speaks OpenAI's API"
            )
        if record.runtime == PIPELINE:
            return (
                f"{version} is a pipeline, whose answers to async requests come as a whole: "
                f"'stream' of POST /models/{record.model} streams them"
            )
        fleet = self.fleets.by_name.get(self.find_fleet(record))
        if fleet is None:
            return f"{version} needs a fleet, and none has it" if record.on_fleet else None
        if fleet.kind == "spot":
            return None
        return (
            f"fleet {fleet.name!r} is of the kind {fleet.kind!r}, whose answers come as a whole: "
            "streams need a fleet of the kind 'spot', or a model on Lambda"
        )


def check_words(record: ModelVersion, inputs: Sequence[Tensor]) -> None:
    """Refuse inputs of a version's task that no model of it takes, in the task's words.

    Raises
    ------
    InvalidRequest
        If an input or a parameter is wrong.
    """
    task = record.task
    if task is None:
        return
    if record.runtime == PIPELINE:
        _check_pipeline_words(record, task, inputs)
        return
    if record.runtime != "onnx" or not has_task_inputs(record, inputs):
        return
    # Imported here, so that a model of tensors pays for no task.
    if inputs[0].name == OPENAI:
        from serval.tasks.openai.call import check_calls

        check_calls(inputs[0].array.tolist(), record)
    else:
        from serval.tasks.tensors import check_call

        check_call(task, inputs)


def _check_pipeline_words(record: ModelVersion, task: str, inputs: Sequence[Tensor]) -> None:
    """Refuse what a pipeline's task does not take; a durable one takes an input at a time."""
    # Imported here, as above.
    from serval.tasks.tensors import check_call

    check_call(task, inputs)
    count = next(len(each.array) for each in inputs if each.name != PARAMETERS)
    if record.durable and count != 1:
        raise InvalidInputs(
            f"{count} inputs given, and pipeline {record.model!r} is durable: one expected; a "
            "batch job answers many"
        )
