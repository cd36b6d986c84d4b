"""The ``http`` runtime's servers that speak the Open Inference Protocol V2."""

import json
from collections.abc import Sequence
from typing import Any

import httpx

from serval.errors import InvalidRequest, ServalError
from serval.inference.runtimes import RuntimeFailed
from serval.inference.runtimes.http_server import Server
from serval.models.signature import TensorSpec
from serval.models.tensor import Tensor
from serval.protocol.binary_tensors import encode_binary
from serval.protocol.framing import json_length
from serval.protocol.json_values import read_members
from serval.protocol.request import parse_head, read_tensors

HEADER = "Inference-Header-Content-Length"


class ServedModel:
    """A model of a V2 server; tensors travel as bytes in both directions."""

    def __init__(self, server: Server, ready_seconds: float) -> None:
        """Wait until the server has the model.

        Raises
        ------
        ArtifactUnreadable
            If it has not come up by then.
        """
        self._server = server
        self._path = f"/v2/models/{server.declared.model}"
        server.await_ready(self._missing, ready_seconds)

    def run(self, inputs: Sequence[Tensor], outputs: Sequence[TensorSpec]) -> list[Tensor]:
        """Run once on inputs that fit the signature.

        Raises
        ------
        InvalidInputs
            If the server refuses the inputs.
        RuntimeFailed
            If it fails, is not there, or answers something else.
        """
        head, body = write_request(inputs, outputs)

        def post(client: httpx.Client) -> httpx.Response:
            headers = {HEADER: str(len(head)), "Content-Type": "application/octet-stream"}
            answer = client.post(f"{self._path}/infer", content=body, headers=headers)
            lengths.append(answer.headers.get(HEADER))
            return answer

        lengths: list[str | None] = []
        [answered] = self._server.post_all([post])
        try:
            return read_response(answered, lengths[0], outputs)
        except ServalError as error:
            raise RuntimeFailed(
                f"{self._server.declared.address} answered what is no V2 response: {error}"
            ) from error

    def interrupt(self) -> None:
        """End the run that is under way, and every later one, with ``RuntimeFailed``."""
        self._server.interrupt()

    def _missing(self, client: httpx.Client) -> str:
        answer = client.get(f"{self._path}/ready")
        return "" if answer.is_success else f"{self._path}/ready gives {answer.status_code}"


def write_request(inputs: Sequence[Tensor], outputs: Sequence[TensorSpec]) -> tuple[bytes, bytes]:
    """Write a request; return its JSON part, and the whole."""
    raw = [encode_binary(tensor.datatype, tensor.array) for tensor in inputs]
    document: dict[str, Any] = {
        "inputs": [
            {
                "name": tensor.name,
                "datatype": tensor.datatype,
                "shape": tensor.array.shape,
                "parameters": {"binary_data_size": len(own)},
            }
            for tensor, own in zip(inputs, raw, strict=True)
        ],
        "outputs": [{"name": spec.name, "parameters": {"binary_data": True}} for spec in outputs],
    }
    head = json.dumps(document).encode()
    return head, b"".join((head, *raw))


def read_response(
    body: bytes, header_length: str | None, outputs: Sequence[TensorSpec]
) -> list[Tensor]:
    """Read a response's outputs.

    Raises
    ------
    InvalidRequest
        If it is none, or has others than were asked for.
    """
    length = len(body) if header_length is None else json_length(header_length, len(body))
    document = parse_head(body[:length])
    tensors = read_tensors(read_members(document, "outputs"), memoryview(body)[length:])
    by_name = {tensor.name: tensor for tensor in tensors}
    for spec in outputs:
        given = by_name[spec.name].datatype if spec.name in by_name else "nothing"
        if given != spec.datatype:
            raise InvalidRequest(f"output {spec.name!r}: {given} given, {spec.datatype} expected")
    return [by_name[spec.name] for spec in outputs]
