"""Operations of models: describe them, call them with tensors or in the words of their task."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import quote

from serval.client.asking import Asking
from serval.client.documents import Answer, CallAnswer, ModelDocument
from serval.client.failures import BadRequest, InvalidInput, Missing, StillRunning
from serval.client.inference_request import build_request, is_array, is_request
from serval.client.reading import RequestReading, read_answer
from serval.client.steps import Call, Flow, Reply
from serval.client.task_bodies import BINARY, JSON, Rows, call_body
from serval.client.wire import HEADER, decode_response, encode_request

CONTENT_TYPE = "content_type"
"""Output of a handler or a container, beside its answer."""


@dataclass
class ModelFlows(RequestReading, Asking):
    """What a caller asks of models."""

    known: dict[tuple[str, str | None], ModelDocument] = field(default_factory=dict)
    """Signatures that lists were built by; one is forgotten when the API refuses a request."""

    def models(self) -> Flow[list[str]]:
        """List the models in the API key's scope."""
        found = yield from self.read(Call("GET", "/v2/models"))
        return list(found["models"])

    def describe(self, model: str, version: str | None = None) -> Flow[ModelDocument]:
        """Describe a version of a model, by default the stable one."""
        found = yield from self.read(Call("GET", model_path(model, version)))
        return cast(ModelDocument, found)

    def infer(
        self,
        model: str,
        inputs: Any,
        *,
        version: str | None = None,
        affinity: str | None = None,
        arrays: bool | None = None,
        patient: bool = True,
    ) -> Flow[Answer]:
        """Call a model with tensors and return its outputs.

        Parameters
        ----------
        inputs
            Numbers, nested lists or a numpy array for the only input; an object of name → data; or
            a whole V2 inference request. An array travels in binary, as do long lists where numpy
            is installed.
        affinity
            Callers with the same text get the same version while a rollout's percent stands.
        arrays
            Whether outputs are numpy arrays; by default, whether an input is.
        patient
            Whether to wait for a model on a fleet that takes longer than 25 s, as the async request
            that the call becomes; else that is a ``StillRunning``.

        Raises
        ------
        InvalidInput
            If the data does not fit the signature.
        CallFailed
            If the model does not answer.
        """
        request = yield from self.build(model, version, inputs)
        wanted = has_arrays(request) if arrays is None else arrays
        content, headers = encode_request(request)
        try:
            reply = yield from self.post_inference(
                model, version, content, {**headers, **optional("serval-affinity", affinity)}
            )
        except StillRunning as running:
            if not patient:
                raise
            return (yield from self.wait(running.request_id, model=model, arrays=wanted))
        except (BadRequest, Missing):
            self.known.pop((model, version), None)
            raise
        document = decode_response(reply.content, reply.headers.get(HEADER))
        return read_answer(document, reply.headers, as_arrays=wanted)

    def post_inference(
        self, model: str, version: str | None, content: bytes, headers: Mapping[str, str]
    ) -> Flow[Reply]:
        """Send the bytes of a V2 inference request, and return the reply as it came."""
        return self.send(Call("POST", f"{model_path(model, version)}/infer", content, headers))

    def call(
        self,
        model: str,
        inputs: Any = None,
        *,
        rows: Rows | None = None,
        parameters: Mapping[str, Any] | None = None,
        version: str | None = None,
        affinity: str | None = None,
        patient: bool = True,
    ) -> Flow[CallAnswer]:
        """Call a model in the words of its task, or its handler.

        Parameters
        ----------
        inputs
            A text, an object, or a list of them; for images and sound the bytes of a file, or its
            ``Path``.
        rows
            In place of inputs, for a task of tables: rows, or columns by name.
        patient
            As in ``infer``.

        Raises
        ------
        CallFailed
            If the model does not answer.
        """
        content, content_type = call_body(inputs, rows, parameters)
        return self.post_call(
            model, version, content, content_type, affinity=affinity, patient=patient
        )

    def post_call(
        self,
        model: str,
        version: str | None,
        content: bytes,
        content_type: str,
        *,
        affinity: str | None = None,
        patient: bool = True,
    ) -> Flow[CallAnswer]:
        """Send the bytes of a call of a task; ``patient`` is as in ``infer``."""
        path = model_path(model, version).removeprefix("/v2")
        headers = {"content-type": content_type, **optional("serval-affinity", affinity)}
        try:
            reply = yield from self.send(Call("POST", path, content, headers))
        except StillRunning as running:
            if not patient:
                raise
            answer = yield from self.wait(running.request_id, model=model)
            return words_of(answer.document)
        return read_call(reply)

    def build(self, model: str, version: str | None, inputs: Any) -> Flow[dict[str, Any]]:
        """Build a V2 request; one that is built already needs no signature."""
        if is_request(inputs):
            return dict(inputs)
        signature = yield from self.signature(model, version)
        return build_request(inputs, signature["inputs"], signature.get("optional_inputs", ()))

    def signature(self, model: str, version: str | None) -> Flow[ModelDocument]:
        """Return what a version takes, asked for once."""
        key = (model, version)
        if key not in self.known:
            self.known[key] = yield from self.describe(model, version)
        return self.known[key]


def model_path(model: str, version: str | None) -> str:
    """Build the path of a model, or of one version; one given as a number is its text."""
    below = "" if version is None else f"/versions/{quote(str(version), safe='')}"
    return f"/v2/models/{quote(model, safe='')}{below}"


def optional(name: str, value: str | None) -> dict[str, str]:
    """Return a header, or none; a value given as a number is its text.

    Raises
    ------
    InvalidInput
        If no header can carry the value.
    """
    if value is None:
        return {}
    text = str(value)
    if not (text.isascii() and text.isprintable()):
        raise InvalidInput(f"{name}: {text!r} given, printable ASCII expected")
    return {name: text}


def has_arrays(request: Mapping[str, Any]) -> bool:
    """Return whether an input of a request is a numpy array."""
    return any(is_array(tensor.get("data")) for tensor in request["inputs"])


def read_call(reply: Reply) -> CallAnswer:
    """Read the answer of a task, a handler or a container."""
    content_type = reply.headers.get("content-type", "")
    version = reply.headers.get("serval-model-version", "")
    return answer_of(reply.content, content_type, version, reply.headers)


def answer_of(
    content: bytes, content_type: str, version: str, headers: Mapping[str, str]
) -> CallAnswer:
    """Build an answer, whose value is that of its JSON if it is called so, and is."""
    value = None
    if "json" in content_type:
        # Handlers and containers also send lines of JSON, or nothing.
        with suppress(ValueError):
            value = json.loads(content)
    return CallAnswer(value, content, content_type, version, headers)


def words_of(document: Mapping[str, Any]) -> CallAnswer:
    """Read the same in the V2 response of an async request; a file stays bytes."""
    by_name = {output["name"]: list(output["data"]) for output in document["outputs"]}
    elements = [as_bytes(one) for one in next(iter(by_name.values()))]
    version = str(document.get("model_version", ""))
    if CONTENT_TYPE in by_name:
        content_type = as_bytes(by_name[CONTENT_TYPE][0]).decode()
        return answer_of(elements[0], content_type, version, {})
    try:
        values = [json.loads(one) for one in elements]
    except ValueError:
        return CallAnswer(None, elements[0], BINARY, version, {})
    value = values[0] if len(values) == 1 else values
    return CallAnswer(value, json.dumps(value).encode(), JSON, version, {})


def as_bytes(element: str | bytes) -> bytes:
    """Return an element of BYTES, which JSON has as text."""
    return element.encode() if isinstance(element, str) else element
