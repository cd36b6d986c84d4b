"""Operations of async requests: submit, await many, cancel, retry, list."""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlencode

from serval.client.asking import pause_within
from serval.client.documents import ENDED, CallAnswer, RequestDocument
from serval.client.failures import InvalidInput
from serval.client.inference import ModelFlows, model_path, words_of
from serval.client.inference_request import has_bytes, is_array
from serval.client.reading import ASK_SECONDS, request_path
from serval.client.steps import Call, Flow, Item, ItemFlow
from serval.client.task_bodies import Rows, call_request
from serval.client.wire import BINARY_ONLY, HEADER, encode_request, plain_data

INSIDE_BYTES = 5_000_000
"""Longest request that goes inside a call; a longer one is uploaded. The API's limit is 5.5 MB."""


@dataclass
class RequestFlows(ModelFlows):
    """What a caller asks of async requests."""

    def submit(
        self,
        model: str,
        inputs: Any,
        *,
        request_id: str | None = None,
        version: str | None = None,
        callback_url: str | None = None,
        stream: bool = False,
    ) -> Flow[RequestDocument]:
        """Submit an async request, which is queued once, however often it has to be sent.

        A request over 5 MB, or with tensors that JSON cannot carry, is uploaded first.

        Parameters
        ----------
        inputs
            As ``infer`` takes them.
        request_id
            An id of your own, ``[A-Za-z0-9][A-Za-z0-9._-]{0,63}``: submitting the same again
            changes nothing, something else is a ``Conflict``. An upload cannot have one.
        callback_url
            Where the request's document is posted when it ends.
        stream
            Whether its answer can be read while it is written, by ``events``.

        Raises
        ------
        ValueError
            If ``request_id`` is given for a request that has to be uploaded.
        """
        request = yield from self.build(model, version, inputs)
        body: dict[str, Any] = {"model": model}
        if version is not None:
            body["version"] = str(version)
        if callback_url is not None:
            body["callback_url"] = callback_url
        inside = as_json(request)
        if inside is None:
            if request_id is not None:
                raise ValueError(
                    f"request {request_id!r} has to be uploaded, and an upload's id is the stage's"
                )
            request_id, more = yield from self._upload(model, version, request)
            body |= more
        else:
            body["request"] = inside
        asked = {"stream": "true"} if stream else {}
        path = request_path(request_id or uuid.uuid4().hex, None, **asked)
        found = yield from self.read(Call.with_json("PUT", path, body))
        return cast(RequestDocument, found)

    def submit_call(
        self,
        model: str,
        inputs: Any = None,
        *,
        rows: Rows | None = None,
        parameters: Mapping[str, Any] | None = None,
        request_id: str | None = None,
        version: str | None = None,
        callback_url: str | None = None,
        stream: bool = False,
    ) -> Flow[RequestDocument]:
        """Submit an async request in the words of the model's task, as ``call`` takes them.

        Files are uploaded. ``wait_call`` returns the answer.

        Raises
        ------
        InvalidInput
            If the model has no task.
        """
        described = yield from self.signature(model, version)
        if "task" not in described:
            raise InvalidInput(f"model {model!r} has no task: submit takes its tensors")
        request = call_request(described["task"], inputs, rows, parameters)
        return (
            yield from self.submit(
                model,
                request,
                request_id=request_id,
                version=version,
                callback_url=callback_url,
                stream=stream,
            )
        )

    def wait_call(
        self, request_id: str, *, model: str | None = None, timeout_seconds: float | None = None
    ) -> Flow[CallAnswer]:
        """Wait until a request of ``submit_call`` has ended, as ``wait`` does, for its answer."""
        answer = yield from self.wait(request_id, model=model, timeout_seconds=timeout_seconds)
        return words_of(answer.document)

    def _upload(
        self, model: str, version: str | None, request: dict[str, Any]
    ) -> Flow[tuple[str, dict[str, Any]]]:
        """Upload a request; return its id and what names it in the PUT."""
        content, headers = encode_request(request, compress=False)
        path = f"{model_path(model, version).replace('/v2/', '/async/', 1)}/uploads"
        asked = yield from self.read(Call.with_json("POST", path, {"size_bytes": len(content)}))
        yield from self.send(Call(str(asked["method"]), str(asked["upload_url"]), content))
        more: dict[str, Any] = {"upload": True}
        if HEADER in headers:
            more["inference_header_content_length"] = int(headers[HEADER])
        return str(asked["id"]), more

    def as_completed(
        self,
        request_ids: Iterable[str],
        *,
        model: str | None = None,
        timeout_seconds: float | None = None,
    ) -> ItemFlow[RequestDocument]:
        """Yield the documents of requests as each ends; ``result`` reads one's result.

        ``timeout_seconds`` is as in ``wait``, for all of them together.

        Raises
        ------
        NotEnded
            If the time is over; the requests that have not ended go on.
        """
        waiting, left = list(request_ids), timeout_seconds
        while waiting:
            for request_id in tuple(waiting):
                found, _ = yield from self.look(request_id, model)
                if found["status"] in ENDED:
                    waiting.remove(request_id)
                    yield Item(found)
            if waiting:
                over = f"requests that go on: {', '.join(waiting):.200}"
                left = yield from pause_within(left, ASK_SECONDS, over)

    def requests(
        self,
        *,
        model: str | None = None,
        status: str | None = None,
        since: str | None = None,
        before: str | None = None,
    ) -> ItemFlow[RequestDocument]:
        """List async requests, page by page: model by model, the newest first within each.

        Parameters
        ----------
        since, before
            Times as the API writes them, ISO 8601.
        """
        given = {"model": model, "status": status, "since": since, "before": before}
        query = {name: value for name, value in given.items() if value is not None}
        while True:
            page = yield from self.read(
                Call("GET", f"/async/requests?{urlencode({**query, 'limit': 100})}")
            )
            for found in page["requests"]:
                yield Item(found)
            if page["next"] is None:
                return
            query["cursor"] = page["next"]

    def cancel(self, request_id: str, *, model: str | None = None) -> Flow[RequestDocument]:
        """Cancel an async request; a running one ends at its next boundary."""
        found = yield from self.read(Call("DELETE", request_path(request_id, model)))
        return cast(RequestDocument, found)

    def retry(self, request_id: str, *, model: str | None = None) -> Flow[RequestDocument]:
        """Queue a failed or cancelled async request again."""
        path = request_path(request_id, model, "/retry")
        found = yield from self.read(Call("POST", path, repeatable=False))
        return cast(RequestDocument, found)


def as_json(request: dict[str, Any]) -> dict[str, Any] | None:
    """Return a V2 request without arrays; None if JSON cannot carry it, or it is too long."""
    inputs = []
    for tensor in request["inputs"]:
        data = tensor.get("data")
        if tensor.get("datatype") in BINARY_ONLY or has_bytes(data):
            return None
        if is_array(data) and data.size * 2 > INSIDE_BYTES:
            return None
        inputs.append({**tensor, "data": plain_data(data)} if "data" in tensor else tensor)
    found = {**request, "inputs": inputs}
    return found if len(Call.with_json("PUT", "/", found).content or b"") <= INSIDE_BYTES else None
