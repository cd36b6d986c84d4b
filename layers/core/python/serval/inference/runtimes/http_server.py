"""The runtimes ``http`` and ``container``: an inference server beside the worker, on its machine.

It speaks the Open Inference Protocol V2 with binary tensors (Triton, another Serval), OpenAI's
completions (vLLM and its like), or plain HTTP.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx

from serval.errors import InvalidInputs
from serval.inference.runtimes import ArtifactUnreadable, RuntimeFailed
from serval.models.server_declaration import HOST, ServerDeclaration
from serval.protocol.events import EVENT_STREAM, read_lines
from serval.short_repr import LIMIT_CHARACTERS

POLL_SECONDS = 0.5
CONNECT_SECONDS = 5.0
RUN_SECONDS = 3600.0
"""The longest that a run may take, as in SageMaker."""
HttpRequest = Callable[[httpx.Client], httpx.Response]
"""Makes one call."""
CALLS_AT_ONCE = 32
"""Requests sent at once to a server that batches by itself."""
ANSWER_SHOWN = 500
"""Characters of an error's body in a message."""
AGAIN_SECONDS = 120.0
"""How long a run waits for a server that has ended and is started again."""
LAST = b"[DONE]"
"""The data of the event that ends a stream of OpenAI's API."""
REFUSALS = frozenset({400, 413, 422})
OF_REFUSALS = ("type", "param", "code")
"""What an error of OpenAI's API has beside its message."""


def do_nothing() -> None:
    """Do nothing about a version that is lost."""


@dataclass(slots=True)
class Server:
    """An inference server, reached over persistent connections."""

    declared: ServerDeclaration
    lost: Callable[[], object] = do_nothing
    """Called when it turns out that it holds the version no longer."""
    client: httpx.Client = field(init=False)
    _calls: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(CALLS_AT_ONCE, "server")
    )
    _interrupted: Future[Any] = field(default_factory=Future)
    _look: Callable[[httpx.Client], str] | None = None
    """What it was waited for with; it must not refer to the model, which would never end."""

    def __post_init__(self) -> None:
        self.client = httpx.Client(
            base_url=f"http://{HOST}:{self.declared.port}",
            timeout=httpx.Timeout(RUN_SECONDS, connect=CONNECT_SECONDS),
            limits=httpx.Limits(max_connections=CALLS_AT_ONCE),
            # What is asked of this machine itself goes through nobody's proxy.
            trust_env=False,
        )

    def __del__(self) -> None:
        """Close the connections when the version is evicted."""
        self.client.close()

    def await_ready(
        self,
        look: Callable[[httpx.Client], str],
        seconds: float,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        """Wait until ``look`` reports nothing missing.

        Raises
        ------
        ArtifactUnreadable
            If something still is; it says what.
        """
        self._look = look
        until = time.monotonic() + seconds
        while missing := self._missing(look):
            if time.monotonic() >= until:
                raise ArtifactUnreadable(
                    f"{self.declared.address} is not ready after {seconds:.0f} s: {missing}; see "
                    f"its own log, and 'runtime' in model.yaml: port {self.declared.port}, model "
                    f"{self.declared.model!r}"
                )
            pause(POLL_SECONDS)

    def post_all(self, posts: Sequence[HttpRequest]) -> list[httpx.Response]:
        """Make calls at once, and return their answers in order.

        A server that is not there may be starting again: it is waited for, two minutes at most.

        Raises
        ------
        InvalidInputs
            If the server says that what was asked is wrong.
        RuntimeFailed
            If it fails, or is not there, or the run is interrupted.
        """
        calls = [self._calls.submit(self._post, post) for post in posts]
        open_calls = set(calls)
        while open_calls:
            done, _ = wait({*open_calls, self._interrupted}, return_when=FIRST_COMPLETED)
            if self._interrupted in done:
                raise RuntimeFailed("the run was interrupted")
            for call in done:
                call.result()
            open_calls -= done
        return [call.result() for call in calls]

    def read_events(self, path: str, body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Post JSON, and yield the documents of the server-sent events that answer it.

        An answer that is no stream is one document. To leave off early ends the call.

        Raises
        ------
        InvalidInputs, RuntimeFailed
            As ``post_all`` does, or if an event is no JSON object.
        """

        def post(client: httpx.Client) -> httpx.Response:
            return client.send(client.build_request("POST", path, json=body), stream=True)

        with closing(self._post(post)) as answer:
            try:
                if not answer.headers.get("content-type", "").startswith(EVENT_STREAM):
                    yield self.parse(answer.read())
                    return
                for line in read_lines(answer.iter_bytes()):
                    field_name, _, data = line.partition(b":")
                    if field_name == b"data" and data.strip() != LAST:
                        yield self.parse(data)
            except httpx.HTTPError as error:
                raise RuntimeFailed(
                    f"{self.declared.address} left its answer unfinished: "
                    f"{type(error).__name__}: {error}"
                ) from error

    def parse(self, text: str | bytes) -> dict[str, Any]:
        """Parse a JSON object of the server's, or raise ``RuntimeFailed``."""
        try:
            return {**json.loads(text)}
        except (TypeError, ValueError) as error:
            raise RuntimeFailed(
                f"{self.declared.address} answered what is no JSON object: {error}"
            ) from error

    def interrupt(self) -> None:
        """End the run that is under way, and every later one."""
        if not self._interrupted.done():
            self._interrupted.set_result(None)

    def _post(self, post: HttpRequest) -> httpx.Response:
        try:
            answer = self._call(post)
        except httpx.HTTPError as error:
            raise RuntimeFailed(
                f"{self.declared.address} does not answer: {type(error).__name__}: {error}; is it "
                "up, and is 'runtime.port' in model.yaml its port?"
            ) from error
        if answer.is_success:
            return answer
        answer.read()
        if answer.status_code in REFUSALS:
            raise read_refusal(answer)
        said = answer.text[:ANSWER_SHOWN]
        raise RuntimeFailed(f"{self.declared.address} answered {answer.status_code}: {said}")

    def _call(self, post: HttpRequest) -> httpx.Response:
        try:
            return post(self.client)
        except httpx.ConnectError:
            # Nothing was sent, so nothing is done twice.
            if self._look is None:
                raise
            with suppress(ArtifactUnreadable):
                self.await_ready(self._look, min(self.declared.start_seconds, AGAIN_SECONDS))
            return post(self.client)

    def _missing(self, look: Callable[[httpx.Client], str]) -> str:
        try:
            return look(self.client)
        except httpx.HTTPError as error:
            return f"{type(error).__name__}: {error}"


def read_refusal(answer: httpx.Response) -> InvalidInputs:
    """Return the error of a server that refuses what was asked, with all that it says of that."""
    try:
        document = answer.json()
    except ValueError:
        document = None
    about = document.get("error", document) if isinstance(document, dict) else None
    about = about if isinstance(about, dict) else {}
    message = about.get("message")
    shown = (message if isinstance(message, str) else answer.text)[:ANSWER_SHOWN]
    error = InvalidInputs(f"the inference server refuses these inputs: {shown}")
    named = {name: about.get(name) for name in OF_REFUSALS}
    error.said = {
        name: value[:LIMIT_CHARACTERS] for name, value in named.items() if isinstance(value, str)
    }
    return error
