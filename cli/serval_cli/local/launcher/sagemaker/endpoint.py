"""An endpoint with its queue of async invocations, and one instance that comes and goes."""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime

from serval_cli.local.launcher.iam.authority import Refused
from serval_cli.local.launcher.sagemaker.definition import Definition
from serval_cli.local.launcher.sagemaker.invocation import Invocation, notice
from serval_cli.local.launcher.sagemaker.server import Answer, Server, ServerFailed
from serval_cli.local.launcher.sagemaker.storage import ObjectNotFound, Storage

logger = logging.getLogger(__name__)
Starter = Callable[[Definition], Server]
Storages = Callable[[str], Storage]
"""Returns the storage as accessible to a role, given by its ARN."""


class Endpoint:
    """Starts a server at the first invocation, and a new one when its definition changes."""

    def __init__(
        self, name: str, define: Callable[[], Definition], start: Starter, storages: Storages
    ) -> None:
        self._name, self._define, self._start, self._storages = name, define, start, storages
        self._serving_lock = threading.Lock()
        """Held while a server starts, which takes seconds."""
        self._server: Server | None = None
        self._started: Definition | None = None
        self._queue_lock = threading.Lock()
        self._queue: tuple[int, ThreadPoolExecutor] | None = None

    @property
    def capacity(self) -> int:
        """Number of instances: one, or none while nobody calls."""
        server = self._server
        return 1 if server is not None and server.running else 0

    def invoke(self, body: bytes, headers: Mapping[str, str], seconds: float) -> Answer:
        """Invoke the server, or raise ``ServerFailed``."""
        with self._serving() as server:
            return server.post(body, headers, seconds)

    def submit(self, invocation: Invocation) -> None:
        """Queue an invocation; an instance runs several at a time if it is configured to."""
        definition = self._define()
        with self._queue_lock:
            if self._queue is None or self._queue[0] != definition.concurrency:
                self._queue = definition.concurrency, ThreadPoolExecutor(definition.concurrency)
            self._queue[1].submit(self._run, invocation, definition)

    def rest(self, idle_seconds: float) -> None:
        """Stop the server if it has been idle for so long."""
        if not self._serving_lock.acquire(blocking=False):
            return
        try:
            server = self._server
            if server is None or not server.idle_for(idle_seconds):
                return
            self._server = None
        finally:
            self._serving_lock.release()
        server.stop()

    def stop(self) -> None:
        """End the server and drop queued invocations."""
        with self._queue_lock:
            queue, self._queue = self._queue, None
        if queue is not None:
            queue[1].shutdown(wait=False, cancel_futures=True)
        with self._serving_lock:
            server, self._server = self._server, None
        if server is not None:
            server.stop()

    @contextmanager
    def _serving(self) -> Iterator[Server]:
        with self._serving_lock:
            server = self._current()
            server.users += 1
        try:
            yield server
        finally:
            with self._serving_lock:
                server.release()
                superseded = server is not self._server and not server.users
            if superseded:
                server.stop()

    def _current(self) -> Server:
        definition, server = self._define(), self._server
        if server is not None and server.running and definition == self._started:
            return server
        self._server = None
        if server is not None and not server.users:
            server.stop()
        self._server, self._started = self._start(definition), definition
        return self._server

    def _run(self, invocation: Invocation, definition: Definition) -> None:
        try:
            self._answer(invocation, definition)
        except Exception:
            # Nobody waits for the outcome, so the log has to carry it.
            logger.exception("endpoint %s, inference %s", self._name, invocation.id)

    def _answer(self, invocation: Invocation, definition: Definition) -> None:
        storage = self._storages(definition.role)
        try:
            body = invocation.body or storage.read(invocation.input_location)
            answer = self.invoke(body, invocation.headers, invocation.seconds)
        except (ObjectNotFound, Refused, ServerFailed) as error:
            answer = Answer(500, str(error).encode(), "text/plain")
        if answer.status >= 400:
            self._report_failure(storage, invocation, definition, answer)
            return
        storage.write(invocation.output_location, answer.body, answer.content_type)
        if definition.success_topic:
            said = notice(self._name, invocation, now(), answered=answer.content_type)
            storage.publish(definition.success_topic, said)

    def _report_failure(
        self, storage: Storage, invocation: Invocation, definition: Definition, answer: Answer
    ) -> None:
        side = "client" if answer.status < 500 else "server"
        message = answer.body.decode(errors="replace")
        reason = f'Received {side} error ({answer.status}) from model with message "{message}"'
        if invocation.failure_location:
            storage.write(invocation.failure_location, reason.encode(), "text/plain")
        if definition.error_topic:
            said = notice(self._name, invocation, now(), failure=reason)
            storage.publish(definition.error_topic, said)


def now() -> datetime:
    """Return the current time."""
    return datetime.now(UTC)
