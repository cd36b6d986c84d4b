"""The ``http`` runtime's servers that speak the Open Inference Protocol V2."""

from collections.abc import Sequence
from functools import partial

import httpx

from serval.errors import InvalidInputs, ServalError
from serval.inference.runtimes import RuntimeFailed
from serval.inference.runtimes.http_server import Server
from serval.models.signature import TensorSpec
from serval.models.tensor import Tensor
from serval.protocol.client import HEADER, read_response, write_request


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
        declared = server.declared
        self._path = f"/v2/models/{declared.model}"
        if declared.version is not None:
            self._path += f"/versions/{declared.version}"
        server.await_ready(partial(find_missing, self._path), ready_seconds)

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
            return client.post(f"{self._path}/infer", content=body, headers=headers)

        try:
            [answer] = self._server.post_all([post])
        except InvalidInputs as refused:
            if missing := find_missing(self._path, self._server.client):
                self._server.lost()
                raise RuntimeFailed(
                    f"{self._server.declared.address} holds the version no longer: {missing}"
                ) from refused
            raise
        try:
            return read_response(answer.content, answer.headers.get(HEADER), outputs)
        except ServalError as error:
            raise RuntimeFailed(
                f"{self._server.declared.address} answered what is no V2 response: {error}"
            ) from error

    def interrupt(self) -> None:
        """End the run that is under way, and every later one, with ``RuntimeFailed``."""
        self._server.interrupt()


def find_missing(path: str, client: httpx.Client) -> str:
    """Describe what keeps a model from being ready; empty if nothing does."""
    answer = client.get(f"{path}/ready")
    return "" if answer.is_success else f"{path}/ready gives {answer.status_code}"
