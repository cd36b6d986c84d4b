"""Call a model with binary tensors, which are exact for every datatype."""

import gzip
from collections.abc import Sequence
from dataclasses import dataclass

from serval.models.signature import TensorSpec
from serval.models.tensor import Tensor
from serval.protocol.client import HEADER, read_response, write_request
from serval_cli.api.inference import InferenceApi, path_of
from serval_cli.api.wire import COMPRESS_FROM_BYTES


@dataclass(frozen=True, slots=True)
class TensorAnswer:
    """A model's outputs and the version that computed them."""

    outputs: Sequence[Tensor]
    version: str


def call(
    api: InferenceApi,
    model: str,
    version: str | None,
    inputs: Sequence[Tensor],
    outputs: Sequence[TensorSpec],
) -> TensorAnswer:
    """Send tensors and return the requested outputs."""
    head, body = write_request(inputs, outputs)
    headers = {HEADER: str(len(head)), "content-type": "application/octet-stream"}
    if len(body) >= COMPRESS_FROM_BYTES:
        body = gzip.compress(body, 6)
        headers["content-encoding"] = "gzip"
    reply = api.send("POST", path_of(model, version) + "/infer", body, headers)
    answered = read_response(reply.content, reply.headers.get(HEADER), outputs)
    return TensorAnswer(answered, reply.headers.get("serval-model-version", ""))
