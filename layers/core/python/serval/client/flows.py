"""All operations, of which each client makes its methods."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from serval.client.documents import StreamEvent
from serval.client.events import EventFlows
from serval.client.jobs import JobFlows
from serval.client.requests import RequestFlows
from serval.client.rollouts import RolloutFlows
from serval.client.steps import ItemFlow


@dataclass
class Flows(RequestFlows, JobFlows, EventFlows, RolloutFlows):
    """Every operation of the API."""

    def stream(
        self,
        model: str,
        text: str,
        *,
        parameters: Mapping[str, Any] | None = None,
        version: str | None = None,
        request_id: str | None = None,
    ) -> ItemFlow[StreamEvent]:
        """Submit a text to a model of text-generation, and yield what it writes.

        Each event of the kind ``token`` has a piece of ``text``; the last is of the kind ``end``.
        The stream is an async request: it goes on without its reader, and has a result.

        Parameters
        ----------
        parameters
            As the task takes them, such as ``max_new_tokens``.
        request_id
            An id of your own, by which ``events`` goes on later.

        Raises
        ------
        CallFailed
            As ``submit`` and ``events`` raise it.
        """
        submitted = yield from self.submit_call(
            model, text, parameters=parameters, version=version, request_id=request_id, stream=True
        )
        yield from self.events(submitted["id"], model=model)
