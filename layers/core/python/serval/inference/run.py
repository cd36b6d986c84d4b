"""Read, check and run: the way of every request, whoever brings it."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from serval.errors import (
    InferenceFailed,
    InvalidInputs,
    InvalidRequest,
    ModelVersionNotFound,
    ServalError,
    ServiceUnavailable,
)
from serval.inference.batching import divide_outputs, has_task_inputs, join_inputs
from serval.inference.loaded import Loaded, LoadedVersions
from serval.inference.runtimes import RuntimeFailed
from serval.models.signature import Signature, TensorSpec
from serval.models.storage import VERSION
from serval.models.task_signature import OPENAI, OPENAI_SIGNATURE, takes_table
from serval.models.tensor import Tensor
from serval.models.version import ModelVersion
from serval.protocol.limits import MOST_JSON_BYTES
from serval.protocol.request import InferenceRequest, output_names, read_request

if TYPE_CHECKING:
    from serval.tasks.task import TableTask

Outputs = list[Tensor]


@dataclass(frozen=True, slots=True)
class InferenceAnswer:
    """A request, its outputs, and how long they took."""

    request: InferenceRequest
    outputs: Outputs
    infer_ms: float


class AxisNotShared(Exception):
    """A version's outputs lack a row for each row of its inputs, so no run of it can be shared."""


def read_fitting(
    body: str | bytes,
    header_length: str | int | None,
    record: ModelVersion,
    json_limit: int = MOST_JSON_BYTES,
) -> InferenceRequest:
    """Read a request and check it against a version's signature, or its task's.

    Parameters
    ----------
    header_length
        ``Inference-Header-Content-Length``: the length of the JSON part of a binary request.

    Raises
    ------
    InvalidRequest
        Naming the tensor, the value and the expectation.
    PayloadTooLarge
        If the JSON is longer than the limit.
    """
    header = None if header_length is None else str(header_length)
    return fit_request(lambda signature: _read_for(signature, body, header, json_limit), record)


def fit_request(
    read: Callable[[Signature], InferenceRequest], record: ModelVersion
) -> InferenceRequest:
    """Read a request by a version's signature, or else by its task's; raise as ``read`` does."""
    try:
        return read(record.signature)
    except InvalidRequest as refused:
        for signature in record.more_signatures:
            with suppress(InvalidInputs):
                return read(signature)
        # Its tensors are not the task's either: the first refusal knows them better.
        raise refused from None


def server_timing(
    infer_ms: float, load_ms: float = 0.0, steps_ms: Sequence[tuple[str, float]] = ()
) -> str:
    """Write a ``Server-Timing`` header (W3C); without a load, 0 ms, it has none.

    Parameters
    ----------
    steps_ms
        The steps of a pipeline, each a part of ``infer``.
    """
    infer = f"infer;dur={infer_ms:.3f}"
    if steps_ms:
        infer = ", ".join((infer, *(f"step-{name};dur={ms:.3f}" for name, ms in steps_ms)))
    return f"load;dur={load_ms:.1f}, {infer}" if load_ms else infer


def _read_for(
    signature: Signature, body: str | bytes, header_length: str | None, json_limit: int
) -> InferenceRequest:
    request = read_request(body, header_length, signature, json_limit)
    output_names(request.outputs, signature)
    return request


def run_request(loaded: Loaded, request: InferenceRequest) -> Outputs:
    """Run one request by itself.

    Raises
    ------
    InvalidRequest
        If the runtime refuses the inputs.
    InferenceFailed
        If it fails on inputs that fit the signature.
    """
    if is_for_task(loaded, request.inputs):
        return run_version_task(loaded, request.inputs)
    return run_version(loaded, request.inputs, _names(loaded, request))


def is_for_task(loaded: Loaded, inputs: Sequence[Tensor]) -> bool:
    """Return whether these are inputs of a version's task or calls of OpenAI's API."""
    is_graph_alone = loaded.task is None and loaded.record.runtime == "onnx"
    return not is_graph_alone and has_task_inputs(loaded.record, inputs)


def run_version_task(loaded: Loaded, inputs: Sequence[Tensor]) -> Outputs:
    """Answer a request by the version's task."""
    if inputs[0].name == OPENAI:
        return _run_openai(loaded, inputs)
    # Imported here, so that a version of tensors pays for no task.
    from serval.tasks.tensors import run_task

    if loaded.task is None:
        raise InvalidRequest("the model has no task")
    return run_task(loaded.task, inputs)


def _run_openai(loaded: Loaded, inputs: Sequence[Tensor]) -> Outputs:
    """Answer calls of OpenAI's API by the version's task, or else its inference server."""
    task = loaded.own_task
    if task is None:
        return _run_model(loaded, inputs, OPENAI_SIGNATURE.outputs)
    from serval.tasks.openai.call import answer_calls

    return answer_calls(inputs[0].array.tolist(), loaded.record, task)


def run_batch_task(loaded: Loaded, inputs: Sequence[Tensor]) -> Outputs:
    """Answer what a batch job brings the version's task; rows of a table come as columns."""
    if loaded.task is None or not takes_table(loaded.record.task or ""):
        return run_version_task(loaded, inputs)
    # Imported here, so that a version of tensors pays for no task.
    from serval.tasks.tensors import run_columns

    return run_columns(cast("TableTask", loaded.task), inputs)


def try_request(loaded: Loaded, request: InferenceRequest) -> Outputs | ServalError:
    """Run one request by itself; return its outputs, or the error that it met."""
    try:
        return run_request(loaded, request)
    except (InferenceFailed, InvalidRequest, ServiceUnavailable) as error:
        return error


def run_together(
    loaded: Loaded, requests: Sequence[InferenceRequest], inputs: Sequence[Tensor] | None = None
) -> list[Outputs]:
    """Run several requests of one shape key at once; return the outputs of each.

    Parameters
    ----------
    inputs
        Those of all requests, joined; by default they are joined here.

    Raises
    ------
    AxisNotShared
        If axis 0 of the version is not for requests to share.
    InvalidRequest, InferenceFailed
        As ``run_request`` does.
    """
    if inputs is None:
        inputs = join_inputs([request.inputs for request in requests])
    rows = [request.inputs[0].array.shape[0] for request in requests]
    if is_for_task(loaded, inputs):
        return _divide(run_version_task(loaded, inputs), rows)
    asked = {name for request in requests for name in _names(loaded, request)}
    names = [name for name in loaded.outputs if name in asked]
    shares = _divide(run_version(loaded, inputs, names), rows)
    return [
        _pick(share, _names(loaded, request))
        for share, request in zip(shares, requests, strict=True)
    ]


def _divide(outputs: Outputs, rows: Sequence[int]) -> list[Outputs]:
    shares = divide_outputs(outputs, rows)
    if shares is None:
        raise AxisNotShared
    return shares


def run_version(loaded: Loaded, inputs: Sequence[Tensor], names: Sequence[str]) -> Outputs:
    """Run a loaded version once, for the outputs of these names."""
    return _run_model(loaded, inputs, [loaded.outputs[name] for name in names])


def _run_model(loaded: Loaded, inputs: Sequence[Tensor], outputs: Sequence[TensorSpec]) -> Outputs:
    try:
        return loaded.model.run(inputs, outputs)
    except RuntimeFailed as error:
        raise InferenceFailed(loaded.record.model, loaded.record.version, str(error)) from error


def default_outputs(loaded: Loaded) -> list[str]:
    """Name the outputs that a request gets which names none."""
    return [spec.name for spec in loaded.record.signature.outputs]


def _names(loaded: Loaded, request: InferenceRequest) -> list[str]:
    return list(request.outputs) or default_outputs(loaded)


def _pick(outputs: Sequence[Tensor], names: Sequence[str]) -> Outputs:
    """Return the named outputs, in the order of the names."""
    by_name = {tensor.name: tensor for tensor in outputs}
    return [by_name[name] for name in names]


@dataclass(frozen=True, slots=True)
class Inference:
    """Answers requests from the versions that this environment has loaded."""

    loaded: LoadedVersions
    clock: Callable[[], float] = time.perf_counter

    def load(self, model: str, version: str) -> Loaded:
        """Return the loaded version, loading it first if needed."""
        if not VERSION.fullmatch(version):
            raise ModelVersionNotFound(model, version)
        return self.loaded.get(model, version)

    def answer(
        self,
        loaded: Loaded,
        body: str | bytes,
        header_length: str | None,
        json_limit: int = MOST_JSON_BYTES,
    ) -> InferenceAnswer:
        """Read, check, run.

        Raises
        ------
        InvalidRequest
            If the request does not fit the signature.
        InferenceFailed
            If the runtime fails on a request that does.
        """
        request = read_fitting(body, header_length, loaded.record, json_limit)
        started = self.clock()
        outputs = run_request(loaded, request)
        infer_ms = (self.clock() - started) * 1e3
        return InferenceAnswer(request, outputs, infer_ms)
