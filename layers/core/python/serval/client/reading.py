"""Follow async requests to their ends, and read their results."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import quote, urlencode

from serval.client.asking import Asking, pause_within
from serval.client.documents import ENDED, Answer, RequestDocument
from serval.client.failures import Forbidden, NotEnded, NotSucceeded, retry_after_seconds
from serval.client.steps import Call, Flow, Item, ItemFlow, Pause, Reply
from serval.client.wire import decode_response, output_value

ASK_SECONDS = 1.0
"""Pause between two looks at a request, if the server names none."""


@dataclass
class RequestReading(Asking):
    """What is asked of a request that has been submitted."""

    def request(self, request_id: str, *, model: str | None = None) -> Flow[RequestDocument]:
        """Look at an async request.

        Parameters
        ----------
        model
            Whose request it is: faster, and needed if several models have one of that id.
        """
        found, _ = yield from self.look(request_id, model, follows=False)
        return found

    def look(
        self, request_id: str, model: str | None, *, follows: bool = True
    ) -> Flow[tuple[RequestDocument, Reply]]:
        """Look at an async request; also return the reply."""
        call = Call("GET", request_path(request_id, model))
        found, reply = yield from self.ask(call, follows=follows)
        return cast(RequestDocument, found), reply

    def follow(self, request_id: str, *, model: str | None = None) -> ItemFlow[RequestDocument]:
        """Look at an async request until it has ended, and yield it whenever its status changes."""
        status = ""
        while True:
            found, reply = yield from self.look(request_id, model)
            if found["status"] != status:
                status = found["status"]
                yield Item(found)
            if status in ENDED:
                return
            yield Pause(retry_after_seconds(reply) or ASK_SECONDS)

    def wait(
        self,
        request_id: str,
        *,
        model: str | None = None,
        timeout_seconds: float | None = None,
        arrays: bool = False,
    ) -> Flow[Answer]:
        """Wait until an async request has ended, and return its result.

        Parameters
        ----------
        timeout_seconds
            How long to wait, not counting what the calls themselves take; None: to the end.
        arrays
            Whether outputs are numpy arrays.

        Raises
        ------
        NotSucceeded
            If it failed or was cancelled.
        NotEnded
            If the time is over; the request goes on.
        """
        left = timeout_seconds
        while True:
            found, reply = yield from self.look(request_id, model)
            if found["status"] in ENDED:
                return (yield from self.result(found, arrays=arrays))
            pause = retry_after_seconds(reply) or ASK_SECONDS
            over = f"request {request_id} is {found['status']}, and goes on"
            left = yield from pause_within(left, pause, over)

    def result(self, document: RequestDocument, *, arrays: bool = False) -> Flow[Answer]:
        """Return the result of a request that has ended, fetched from its URL if it is large.

        Raises
        ------
        NotSucceeded
            If it failed or was cancelled.
        NotEnded
            If it has not ended.
        """
        if document["status"] not in ENDED:
            raise NotEnded(f"request {document['id']} is {document['status']}, and goes on")
        if document["status"] != "succeeded":
            raise NotSucceeded("request", document)
        response = document.get("response")
        if response is not None:
            return read_answer(response, {}, as_arrays=arrays)
        try:
            reply = yield from self.send(Call("GET", document["response_url"]))
        except Forbidden:
            # The URL has expired: the document is asked for another.
            document = yield from self.request(document["id"], model=document["model"])
            reply = yield from self.send(Call("GET", document["response_url"]))
        length = document.get("response_header_length")
        decoded = decode_response(reply.content, None if length is None else str(length))
        return read_answer(decoded, {}, as_arrays=arrays)


def request_path(request_id: str, model: str | None, below: str = "", **asked: str) -> str:
    """Build the path of an async request, or of something below it, and what is asked of it."""
    query = urlencode(asked if model is None else {"model": model, **asked})
    return f"/async/requests/{quote(request_id, safe='')}{below}{'?' if query else ''}{query}"


def read_answer(
    document: Mapping[str, Any], headers: Mapping[str, str], *, as_arrays: bool
) -> Answer:
    """Read a V2 inference response."""
    outputs = document.get("outputs", ())
    return Answer(
        str(document.get("model_name", "")),
        str(document.get("model_version", "")),
        {one["name"]: output_value(one, as_array=as_arrays) for one in outputs},
        document,
        headers,
    )
