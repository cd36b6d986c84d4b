"""Versions that run somewhere else, as if they were loaded here.

Every protocol reads a call of one, and writes its answer, as it does for a version in memory; its
run is a request of the Open Inference Protocol V2 to whoever has the version. No task is imported
here: what only a task knows, such as its parameters, is checked where it runs.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, cast

from serval.errors import InvalidInputs, UnsupportedFeature
from serval.handlers.contents import guess_type
from serval.handlers.signature import ACCEPT, ANSWER, BODY, CONTENT_TYPE, HandlerAnswer
from serval.inference.loaded import Loaded
from serval.models.signature import TensorSpec
from serval.models.task_signature import (
    ANSWERS_IN_FILES,
    ANSWERS_IN_LIST,
    OPENAI,
    OPENAI_SIGNATURE,
    TAKES,
    task_signature,
)
from serval.models.tensor import Tensor
from serval.models.version import ModelVersion
from serval.protocol.binary_tensors import bytes_array
from serval.requests.stream.live import LiveText
from serval.tasks.call import ONE_FILE
from serval.tasks.openai.call import OpenAICall
from serval.tasks.openai.chunks import CHUNKS, ChunkWriter
from serval.tasks.openai.document import split_stream
from serval.tasks.parameters import Parameters
from serval.tasks.payload import Payload
from serval.tasks.task import InputKind, Media
from serval.tasks.tensors import task_tensors


class Send(Protocol):
    """How inputs get to a version, and its outputs back."""

    def __call__(
        self, inputs: Sequence[Tensor], outputs: Sequence[TensorSpec], *, binary: bool = True
    ) -> list[Tensor]:
        """Run inputs for some outputs, which are stored as binary tensors or as JSON.

        Raises
        ------
        ServalError
            If they are not answered.
        """


Begin = Callable[[Sequence[Tensor]], LiveText]
"""Begins a text on inputs, which is read while it is written."""


def refuse_live(inputs: Sequence[Tensor]) -> LiveText:
    """Refuse to begin a text, where answers come as a whole."""
    raise UnsupportedFeature("streams come from the address that calls are redirected to")


@dataclass(frozen=True, slots=True)
class DistantModel:
    """A version's artifact, somewhere else."""

    record: ModelVersion
    send: Send
    begin: Begin = refuse_live

    def run(self, inputs: Sequence[Tensor], outputs: Sequence[TensorSpec]) -> list[Tensor]:
        """Run once on inputs that fit the signature."""
        return self.send(inputs, outputs)

    def call(self, body: bytes, content_type: str = "", accept: str = "") -> HandlerAnswer:
        """Call a handler with one body."""
        headers = {CONTENT_TYPE: content_type, ACCEPT: accept}
        # Versions of an earlier Serval take a body alone, and answer without its type.
        known = {spec.name for spec in self.record.signature.optional}
        given = {BODY: body, **{n: v.encode() for n, v in headers.items() if v and n in known}}
        inputs = [bytes_tensor(name, one) for name, one in given.items()]
        outputs = self.send(inputs, self.record.signature.outputs)
        found: dict[str, bytes] = {one.name: one.array.tolist()[0] for one in outputs}
        answer = found[ANSWER]
        return HandlerAnswer(answer, found.get(CONTENT_TYPE, b"").decode() or guess_type(answer))

    def call_openai(self, call: OpenAICall) -> bytes:
        """Answer a call of OpenAI's API by the JSON of its document."""
        element = bytes_tensor(OPENAI, call.to_element())
        [answers] = self.send([element], OPENAI_SIGNATURE.outputs, binary=False)
        answer: bytes = answers.array.tolist()[0]
        return answer

    def tell_openai(self, call: OpenAICall) -> Iterator[bytes]:
        """Answer a call of OpenAI's API in chunks, while the text is written."""
        from serval.http.protocols.live_events import tell_chunks

        body, with_usage = split_stream(call.body)
        is_chat, wanted = call.operation == "chat/completions", body.get("logprobs")
        live = self.begin([bytes_tensor(OPENAI, replace(call, body=body).to_element())])

        def begin_chunks() -> ChunkWriter:
            record = replace(self.record, version=live.request.version or self.record.version)
            head = replace(call, id=live.request.id).head(record)
            return ChunkWriter(
                head.begin(*CHUNKS[call.operation]),
                is_chat=is_chat,
                with_usage=with_usage,
                with_logprobs=wanted is True if is_chat else wanted is not None,
            )

        return tell_chunks(live, begin_chunks)


@dataclass(frozen=True, slots=True)
class DistantTask:
    """A version's task, where its graph is."""

    name: str
    send: Send
    begin: Begin = refuse_live
    accepts: None = None

    @property
    def takes(self) -> InputKind:
        """What one input is."""
        return cast(InputKind, TAKES.get(self.name, "text"))

    @property
    def answers_in_list(self) -> bool:
        """Whether a single input's answer is sent as a list of one."""
        return self.name in ANSWERS_IN_LIST

    def answer(self, inputs: Sequence[Any], parameters: Parameters) -> list[Any]:
        """Answer inputs of the kind ``takes``."""
        in_files = self.name in ANSWERS_IN_FILES
        if in_files and len(inputs) > 1:
            raise InvalidInputs(ONE_FILE)
        tensors = task_tensors(self.takes, Payload(inputs, True, parameters))
        [answers] = self.send(tensors, task_signature(self.name).outputs, binary=in_files)
        elements: list[bytes] = answers.array.tolist()
        if in_files:
            return [Media(element, guess_type(element)) for element in elements]
        return [json.loads(element) for element in elements]

    def tell(self, payload: Payload) -> Iterator[bytes]:
        """Answer a text token by token, while the answer is written."""
        from serval.http.protocols.live_events import tell_tokens

        with_top = payload.parameters.integer("top_n_tokens", 0) > 0
        return tell_tokens(self.begin(task_tensors(self.takes, payload)), with_top=with_top)


def as_loaded(record: ModelVersion, send: Send, begin: Begin = refuse_live) -> Loaded:
    """Return a version that runs somewhere else as a loaded one."""
    task = None if record.task is None else DistantTask(record.task, send, begin)
    return Loaded.elsewhere(record, DistantModel(record, send, begin), task)


def bytes_tensor(name: str, element: bytes) -> Tensor:
    """Make a tensor BYTES [1]."""
    return Tensor(name, "BYTES", bytes_array([element], [1]))
