"""Call a model with binary tensors, which are exact for every datatype."""

import gzip
from collections.abc import Sequence
from dataclasses import dataclass

from serval.client import Client
from serval.client.wire import COMPRESS_FROM_BYTES
from serval.models.signature import TensorSpec
from serval.models.tensor import Tensor
from serval.protocol.client import HEADER, read_response, write_request


@dataclass(frozen=True, slots=True)
class TensorAnswer:
    """A model's outputs and the version that computed them."""

    outputs: Sequence[Tensor]
    version: str


def call(
    client: Client,
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
    reply = client.post_inference(model, version, body, headers)
    answered = read_response(reply.content, reply.headers.get(HEADER.lower()), outputs)
    return TensorAnswer(answered, reply.headers.get("serval-model-version", ""))
