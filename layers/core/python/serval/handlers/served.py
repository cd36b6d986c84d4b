"""A server that takes any body over HTTP, called as a handler is: bodies in, answers out."""

from collections.abc import Sequence
from functools import partial

import httpx

from serval.handlers.contents import JSON, guess_type, media_type
from serval.handlers.model import answer_tensors
from serval.handlers.signature import ACCEPT, BODY, CONTENT_TYPE, HandlerAnswer
from serval.inference.runtimes.http_server import HttpRequest, Server
from serval.models.signature import TensorSpec
from serval.models.tensor import Tensor

NOT_YET = frozenset({"STARTING", "SETUP_FAILED", "DEFUNCT", "UNKNOWN"})
"""``status`` in the answer of Cog's ``/health-check``, which is 200 from the start."""


class ServedBodies:
    """A model of a server that takes bodies as they are: SageMaker's contract, Cog's, any other."""

    def __init__(self, server: Server, ready_seconds: float) -> None:
        """Wait until the server is ready.

        Raises
        ------
        ArtifactUnreadable
            If it is not by then.
        """
        self._server = server
        server.await_ready(partial(find_missing, server.declared.ready), ready_seconds)

    def run(self, inputs: Sequence[Tensor], outputs: Sequence[TensorSpec]) -> list[Tensor]:
        """Post each element of ``body``, many at once.

        Raises
        ------
        InvalidInputs
            If the server refuses a body: 400, 413 or 422.
        RuntimeFailed
            If it fails, or is not there.
        """
        given = {tensor.name: tensor.array.ravel().tolist() for tensor in inputs}
        content_type, accept = (_header(given.get(name)) for name in (CONTENT_TYPE, ACCEPT))
        answers = self._server.post_all(
            [self._call(bytes(body), content_type, accept) for body in given[BODY]]
        )
        found = [
            HandlerAnswer(answer.content, answer.headers.get("content-type", ""))
            for answer in answers
        ]
        return answer_tensors(found, outputs)

    def interrupt(self) -> None:
        """End the run that is under way, and every later one, with ``RuntimeFailed``."""
        self._server.interrupt()

    def _call(self, body: bytes, content_type: str, accept: str) -> HttpRequest:
        headers = {"Content-Type": content_type or guess_type(body), "Accept": accept or "*/*"}
        return lambda client: client.post(self._server.declared.path, content=body, headers=headers)


def _header(given: Sequence[bytes] | None) -> str:
    """Return a header's value; what no header may have in it is left out."""
    text = given[0].decode("latin-1") if given else ""
    return "".join(letter for letter in text if letter.isprintable())


def find_missing(path: str, client: httpx.Client) -> str:
    """Describe what keeps a server from being ready; empty if nothing does."""
    answer = client.get(path)
    if not answer.is_success:
        return f"{path} gives {answer.status_code}"
    if media_type(answer.headers.get("content-type", "")) != JSON:
        return ""
    try:
        found = answer.json()
    except ValueError:
        return ""
    status = found.get("status") if isinstance(found, dict) else None
    return f"{path} says {status}" if status in NOT_YET else ""
