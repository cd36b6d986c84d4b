"""Invocations without an envelope: of whoever runs the image as an endpoint of their own.

The body may be all that SageMaker's runtime takes of a model on Lambda
(``serval.http.protocols.sagemaker``); runs are shared with those of other callers.
"""

from collections.abc import Mapping, Sequence

from serval.errors import InvalidParameter
from serval.http.distant import as_loaded
from serval.http.protocols import sagemaker
from serval.http.protocols.invocations import InvokedCall
from serval.http.protocols.protocol import Written
from serval.models.signature import TensorSpec
from serval.models.tensor import Tensor
from serval.models.version import ModelVersion
from serval.protocol.limits import MOST
from serval.protocol.request import InferenceRequest
from serval.worker.serve.gather import Gather

TARGET_MODEL = "x-amzn-sagemaker-target-model"


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

    def send(
        inputs: Sequence[Tensor], outputs: Sequence[TensorSpec], *, binary: bool = True
    ) -> list[Tensor]:
        """Wait for a run."""
        request = InferenceRequest(tuple(inputs), outputs={spec.name: binary for spec in outputs})
        return gather.submit(record, request).result().outputs

    call = InvokedCall({}, headers, {}, body=body)
    asked = sagemaker.read(as_loaded(record, send), call, MOST)
    return asked.write(asked.run())
