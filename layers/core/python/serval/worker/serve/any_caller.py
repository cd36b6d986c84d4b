"""Invocations without an envelope: of whoever runs the image as an endpoint of their own.

The body may be all that SageMaker's runtime takes of a model on Lambda
(``serval.http.protocols.sagemaker``); runs are shared with those of other callers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from serval.errors import InvalidParameter
from serval.http.call import HttpCall
from serval.http.fleet_words import FleetWords
from serval.http.protocols import sagemaker
from serval.http.protocols.protocol import Written
from serval.inference.loaded import Loaded
from serval.inference.run import read_fitting
from serval.models.signature import TensorSpec
from serval.models.tensor import Tensor
from serval.models.version import ModelVersion
from serval.protocol.limits import MOST, RequestLimits
from serval.protocol.request import InferenceRequest
from serval.protocol.response import InferenceResponse, write_response
from serval.worker.serve.gather import Gather

TARGET_MODEL = "x-amzn-sagemaker-target-model"
OF_TENSORS = b'"datatype"'
"""A member that every tensor of an inference request has."""


@dataclass(slots=True)
class ServedCall(HttpCall):
    """A call of the server, whose body has been read."""

    body: bytes = b""

    def read_body(self, limits: RequestLimits) -> bytes:
        """Return the body."""
        return self.body


@dataclass(frozen=True, slots=True)
class GatheredModel:
    """A version as a model that runs with others of its kind, when its turn comes."""

    record: ModelVersion
    gather: Gather

    def run(self, inputs: Sequence[Tensor], outputs: Sequence[TensorSpec]) -> list[Tensor]:
        """Wait for a run; raise ``ServalError`` if it fails."""
        request = InferenceRequest(tuple(inputs), outputs={spec.name: True for spec in outputs})
        return self.gather.submit(self.record, request).result().outputs


def choose_model(headers: Mapping[str, str], models: Sequence[str]) -> str:
    """Choose the model of an invocation: the only one, or the target model.

    Raises
    ------
    InvalidParameter
        If there are several, and none of them is the target.
    """
    wanted = headers.get(TARGET_MODEL, "").strip("/")
    found = [wanted] if wanted in models else [] if wanted else list(models)
    if len(found) != 1:
        known = f"one of {', '.join(sorted(models))}" if models else "a server of a fleet's models"
        raise InvalidParameter(TARGET_MODEL, wanted, known)
    return found[0]


def answer_invocation(
    record: ModelVersion, body: bytes, headers: Mapping[str, str], gather: Gather
) -> Written:
    """Answer an invocation of a version, waiting for its run.

    Raises
    ------
    ServalError
        If it cannot be answered.
    """
    call = ServedCall({}, headers, {}, body=body)
    has_words = record.task is not None or record.runtime == "python"
    if has_words and OF_TENSORS not in body:
        return _answer_words(record, call, gather)
    signature = record.signature
    loaded = Loaded(
        record,
        GatheredModel(record, gather),
        {spec.name: spec for spec in signature.inputs},
        {spec.name: spec for spec in signature.outputs},
        load_ms=0.0,
    )
    asked = sagemaker.read(loaded, call, MOST)
    return asked.write(asked.run())


def _answer_words(record: ModelVersion, call: HttpCall, gather: Gather) -> Written:
    """Answer by the task or the handler, in its own words."""
    words = FleetWords.read(call, record, MOST)
    request = read_fitting(words.sent.content, words.sent.header_length, record)
    outputs = gather.submit(record, request).result().outputs
    response = InferenceResponse(record.model, record.version, outputs)
    answer, content_type = words.answer(*write_response(response, request))
    return Written(answer, content_type, lambda _: "")
