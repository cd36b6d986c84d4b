"""The text of a call of OpenAI's API, read from the inference server that writes it.

Another worker goes on with a text by having it written again, by the same seed: what its readers
have already is passed over. A server that then writes something else has failed.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from queue import SimpleQueue
from typing import Any

from serval.errors import InferenceFailed, InvalidInputs
from serval.inference.run import Outputs
from serval.inference.runtimes import RuntimeFailed
from serval.models.task_signature import ANSWERS
from serval.models.tensor import Tensor
from serval.models.version import ModelVersion
from serval.protocol.binary_tensors import bytes_array
from serval.protocol.events import closing_source
from serval.requests.stream.piece import UNKNOWN, Piece, StreamChunk
from serval.tasks.call import write_json
from serval.tasks.openai.call import OpenAICall
from serval.tasks.openai.document import AnswerHead, asks_beyond_text, asks_for_texts

Tell = Callable[[OpenAICall], Iterator[Mapping[str, Any]]]
"""Hands a call to the server, and yields the chunks of its answer."""
Said = Mapping[str, Any] | Exception | None
"""A chunk, what went wrong, or the end."""
WHOLE: Mapping[str, tuple[str, str]] = {
    "chat/completions": ("chatcmpl", "chat.completion"),
    "completions": ("cmpl", "text_completion"),
}
"""What is asked for → how the id of its whole answer begins, and what that is."""
IN_ANSWERS = frozenset({"role", "content"})


@dataclass(slots=True)
class ServedText:
    """``StreamedText`` of an inference server."""

    call: OpenAICall
    head: AnswerHead
    tell: Tell
    begun: str
    """What was read of the text before."""
    logged: int
    """The number of the last piece that has some of it."""
    _said: SimpleQueue[Said] = field(default_factory=SimpleQueue)
    _left: threading.Event = field(default_factory=threading.Event)
    _text: str = ""
    _thoughts: dict[str, str] = field(default_factory=dict)
    """What the server's model says beside its text, by the name that the server has for it."""
    _finish: str | None = None
    _usage: Mapping[str, Any] | None = None
    _new: str | None = None
    """What comes next of the text; None: nothing yet. Empty: the text has begun, and no more."""
    _told: bool = field(init=False)
    """Whether readers know that the text has begun."""
    _ended: bool = False
    _failed: Exception | None = None

    def __post_init__(self) -> None:
        self._told = self.logged > 0
        threading.Thread(
            target=_listen,
            args=(self.tell, self.call, self._said, self._left),
            name="served text",
            daemon=True,
        ).start()

    def __del__(self) -> None:
        """Let the server leave off when nobody wants the text any more."""
        self._left.set()

    def ready(self) -> bool:
        """Return whether the next piece is there; a model may think for long before its text."""
        while self._new is None and not self._ended and not self._said.empty():
            self._take()
        return self._new is not None or self._ended

    def pieces(self) -> Iterator[Piece]:
        """Read the text behind what was read before; the last piece has no text.

        The first may have none, either: then it says that the text has begun.

        Raises
        ------
        InvalidInputs
            If the server refuses the call.
        InferenceFailed
            If it fails, or writes something else than before.
        """
        number = self.logged
        while self._next():
            number += 1
            new, self._new = self._new or "", None
            yield Piece(number=number, id=UNKNOWN, text=new)
        if isinstance(self._failed, RuntimeFailed):
            raise self._failure(str(self._failed)) from self._failed
        if self._failed is not None:
            raise self._failed
        if self._finish is None or len(self._text) < len(self.begun):
            raise self._failure("the inference server's answer has no end")
        usage = self._usage or {}
        yield Piece(
            number=number + 1,
            id=UNKNOWN,
            text="",
            special=True,
            finish=self._finish,
            prompt_tokens=usage.get("prompt_tokens"),
            tokens=usage.get("completion_tokens"),
        )

    def outputs(self) -> Outputs:
        """Return the answer as a whole, as the server would have written it."""
        own: dict[str, Any] = {"text": self._text}
        if self.call.operation == "chat/completions":
            own = {"message": {"role": "assistant", **self._thoughts, "content": self._text}}
        choice = {"index": 0, **own, "logprobs": None, "finish_reason": self._finish}
        begin = self.head.begin(*WHOLE[self.call.operation])
        answer = {**begin, "choices": [choice], "usage": self._usage}
        return [Tensor(ANSWERS, "BYTES", bytes_array([write_json(answer)], [1]))]

    def _next(self) -> bool:
        """Wait for more of the text; return whether there is any before the end."""
        while self._new is None and not self._ended:
            self._take()
        return self._new is not None

    def _take(self) -> None:
        """Take what the server said next."""
        said, known = self._said.get(), len(self._text)
        if said is None or isinstance(said, Exception):
            self._ended, self._failed = True, said
            return
        try:
            self._note(said)
            self._check_begun()
        except InferenceFailed as error:
            self._ended, self._failed = True, error
            return
        new = self._text[max(known, len(self.begun)) :]
        if new or not self._told:
            self._new, self._told = new, True

    def _note(self, chunk: Mapping[str, Any]) -> None:
        """Note what a chunk says."""
        if "error" in chunk:
            raise self._failure(f"the inference server says: {chunk['error']}")
        self._usage = chunk.get("usage") or self._usage
        try:
            for choice in chunk.get("choices") or []:
                said = choice.get("delta") or choice.get("message") or {}
                self._text += choice.get("text") or said.get("content") or ""
                self._finish = choice.get("finish_reason") or self._finish
                for name, value in said.items():
                    if name not in IN_ANSWERS and isinstance(value, str):
                        self._thoughts[name] = self._thoughts.get(name, "") + value
        except (AttributeError, TypeError) as error:
            raise self._failure(f"the inference server's chunk is none: {error}") from error

    def _check_begun(self) -> None:
        """Refuse to go on with another text than the one that was begun."""
        both = min(len(self._text), len(self.begun))
        if self._text[:both] != self.begun[:both]:
            raise self._failure(
                "the inference server writes another text than before its machine was lost, by "
                "the same seed: ask again"
            )

    def _failure(self, why: str) -> InferenceFailed:
        return InferenceFailed(self.head.model, self.head.version, why)


def _listen(tell: Tell, call: OpenAICall, said: SimpleQueue[Said], left: threading.Event) -> None:
    """Put what a server says where it is read, until nobody is there."""
    try:
        with closing_source(tell(call)) as chunks:
            for chunk in chunks:
                if left.is_set():
                    return
                said.put(chunk)
    except Exception as error:
        said.put(error)  # raised where the text is read
    else:
        said.put(None)


def open_served(
    tell: Tell,
    element: bytes,
    record: ModelVersion,
    name: str,
    seed: int,
    read: Sequence[StreamChunk],
) -> ServedText:
    """Open the text of a call, which came as an element of a tensor.

    Parameters
    ----------
    name
        What the answer is called.
    seed
        What the text is drawn by, unless the call has a seed: the same for each attempt.
    read
        What readers have of it.

    Raises
    ------
    InvalidInputs
        If it asks for more than a text.
    """
    call = OpenAICall.from_element(element)
    if asks_for_texts(call.body) or asks_beyond_text(call.body) or call.operation not in WHOLE:
        raise InvalidInputs(
            "a stream of an inference server has one text, and nothing else: leave out 'stream', "
            "or 'n', 'tools' and 'logprobs'"
        )
    given = call.body.get("seed")
    call = replace(call, id=name, body={**call.body, "seed": seed if given is None else given})
    begun = "".join(piece.text for chunk in read for piece in chunk.pieces)
    return ServedText(call, call.head(record), tell, begun, read[-1].last if read else 0)
