"""The ``http`` runtime's servers that speak OpenAI's API.

Calls of that API are handed on as they are, and answered with what the server says. Tensors become
completions: input ``prompt`` (BYTES) holds one prompt in each element, output ``text`` (BYTES) its
completion. The inputs ``max_tokens``, ``temperature`` and ``stop`` may be in the signature too,
with one element for each prompt, or one for all. Each is a call of its own: such a server batches
by itself.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import httpx

from serval.errors import InvalidInputs, InvalidParameter, InvalidTensor
from serval.inference.runtimes import ArtifactUnreadable, RuntimeFailed
from serval.inference.runtimes.http_server import HttpRequest, Server
from serval.models.signature import Signature, TensorSpec
from serval.models.task_signature import ANSWERS, OPENAI
from serval.models.tensor import Tensor
from serval.protocol.binary_tensors import bytes_array
from serval.tasks.openai.call import OpenAICall

PROMPT, TEXT = "prompt", "text"
DATATYPES: Mapping[str, frozenset[str]] = {
    PROMPT: frozenset({"BYTES"}),
    "stop": frozenset({"BYTES"}),
    "max_tokens": frozenset({"INT32", "INT64", "UINT32"}),
    "temperature": frozenset({"FP32", "FP64"}),
}
"""What a completion takes, and as which datatypes."""


class Completions:
    """A model of a server that completes texts."""

    def __init__(self, server: Server, signature: Signature, ready_seconds: float) -> None:
        """Wait until the server has the model.

        Raises
        ------
        ArtifactUnreadable
            If it has not come up by then, or the signature is not that of completions.
        """
        check_signature(signature)
        self._server = server
        server.await_ready(partial(find_missing, server.declared.model), ready_seconds)

    def run(self, inputs: Sequence[Tensor], outputs: Sequence[TensorSpec]) -> list[Tensor]:
        """Complete every prompt, or answer every call of OpenAI's API.

        Raises
        ------
        InvalidTensor, InvalidInputs
            If a text is not UTF-8, the inputs do not match, or the server refuses them.
        RuntimeFailed
            If it fails, is not there, or answers something else.
        """
        by_name = {tensor.name: tensor for tensor in inputs}
        if OPENAI in by_name:
            return [self._hand_on(by_name[OPENAI])]
        prompts = by_name[PROMPT].array
        columns = {name: values_by_prompt(tensor, prompts.size) for name, tensor in by_name.items()}
        calls = [
            self._call({name: column[row] for name, column in columns.items()})
            for row in range(prompts.size)
        ]
        texts = [self._text(answer.content) for answer in self._server.post_all(calls)]
        return [Tensor(spec.name, "BYTES", bytes_array(texts, prompts.shape)) for spec in outputs]

    def tell(self, call: OpenAICall) -> Iterator[Mapping[str, Any]]:
        """Hand a call on, and yield what the server says of the answer, chunk by chunk.

        Raises
        ------
        InvalidInputs, RuntimeFailed
            As ``run`` does.
        """
        wanted = {"stream": True, "stream_options": {"include_usage": True}}
        body = {**call.body, **wanted, "model": self._server.declared.model}
        yield from self._server.read_events(f"/v1/{call.operation}", body)

    def interrupt(self) -> None:
        """End the run that is under way, and every later one, with ``RuntimeFailed``."""
        self._server.interrupt()

    def _hand_on(self, calls: Tensor) -> Tensor:
        """Hand calls on in the server's name for the model, and answer in the caller's."""
        asked = [OpenAICall.from_element(element) for element in calls.array.tolist()]
        answers = self._server.post_all([self._post(call) for call in asked])
        written = [
            self._rename(answer.content, call) for answer, call in zip(answers, asked, strict=True)
        ]
        return Tensor(ANSWERS, "BYTES", bytes_array(written, calls.array.shape))

    def _post(self, call: OpenAICall) -> HttpRequest:
        if call.body.get("stream"):
            raise InvalidParameter("stream", True, "false (an answer comes whole: leave it out)")
        body = {**call.body, "model": self._server.declared.model}
        return lambda client: client.post(f"/v1/{call.operation}", json=body)

    def _rename(self, answer: bytes, call: OpenAICall) -> bytes:
        document = {**self._server.parse(answer), "model": call.model}
        return json.dumps(document, ensure_ascii=False).encode()

    def _call(self, asked: dict[str, Any]) -> HttpRequest:
        if not asked.get("stop", "?"):
            del asked["stop"]
        body = {"model": self._server.declared.model, **asked}
        return lambda client: client.post("/v1/completions", json=body)

    def _text(self, answered: bytes) -> bytes:
        try:
            return str(json.loads(answered)["choices"][0]["text"]).encode()
        except (LookupError, TypeError, ValueError) as error:
            raise RuntimeFailed(
                f"{self._server.declared.address} answered what is no completion: "
                f"{type(error).__name__}: {error}"
            ) from error


def find_missing(model: str, client: httpx.Client) -> str:
    """Describe what keeps a model from being ready; empty if nothing does."""
    answer = client.get("/v1/models")
    if not answer.is_success:
        return f"/v1/models gives {answer.status_code}"
    try:
        names = [str(found["id"]) for found in answer.json()["data"]]
    except (LookupError, TypeError, ValueError):
        return "/v1/models gives no list of models"
    return "" if model in names else f"its models are {', '.join(names)}"


def check_signature(signature: Signature) -> None:
    """Refuse a signature that completions do not have."""
    inputs = {spec.name: spec.datatype for spec in signature.inputs}
    outputs = {(spec.name, spec.datatype) for spec in signature.outputs}
    for name, datatype in inputs.items():
        if datatype not in DATATYPES.get(name, ()):
            expected = "; ".join(f"{n} {'/'.join(sorted(d))}" for n, d in DATATYPES.items())
            raise ArtifactUnreadable(
                f"signature: input {name!r} of {datatype} given, completions take: {expected}"
            )
    if PROMPT not in inputs or outputs != {(TEXT, "BYTES")}:
        raise ArtifactUnreadable(
            f"signature: completions have an input {PROMPT!r} and one output {TEXT!r}, of BYTES"
        )


def values_by_prompt(tensor: Tensor, rows: int) -> list[Any]:
    """Return an input's value for each prompt."""
    flat = tensor.array.ravel().tolist()
    if len(flat) not in (1, rows):
        raise InvalidInputs(
            f"input {tensor.name!r} has {len(flat)} elements, {rows} expected, one for each prompt"
        )
    if tensor.datatype == "BYTES":
        try:
            flat = [element.decode() for element in flat]
        except UnicodeDecodeError as error:
            raise InvalidTensor(tensor.name, f"a BYTES element is not UTF-8: {error}") from None
    return flat * rows if len(flat) == 1 else flat
