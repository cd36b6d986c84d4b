"""A handler as a model: bodies in, answers out, as tensors of BYTES."""

import shutil
import tempfile
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from serval.handlers.contents import guess_type
from serval.handlers.process import HandlerProcess
from serval.handlers.signature import ACCEPT, ANSWER, BODY, CONTENT_TYPE, HandlerAnswer
from serval.models.signature import TensorSpec
from serval.models.tensor import Tensor
from serval.protocol.binary_tensors import bytes_array


@dataclass(frozen=True, slots=True)
class HandlerCalls:
    """Calls of a handler, as tensors of its signature bring them."""

    bodies: Sequence[bytes]
    content_type: str = ""
    """Of all bodies; empty: unknown."""
    accept: str = ""

    @classmethod
    def of_inputs(cls, inputs: Sequence[Tensor]) -> "HandlerCalls":
        """Read inputs that fit the signature."""
        given = {tensor.name: tensor.array.ravel().tolist() for tensor in inputs}
        headers = [
            given[name][0].decode(errors="replace") if given.get(name) else ""
            for name in (CONTENT_TYPE, ACCEPT)
        ]
        return cls([bytes(body) for body in given[BODY]], *headers)


def answer_tensors(answers: Sequence[HandlerAnswer], outputs: Sequence[TensorSpec]) -> list[Tensor]:
    """Return those outputs that are asked for, with an element for each answer."""
    columns = {
        ANSWER: [answer.body for answer in answers],
        CONTENT_TYPE: [answer.content_type.encode() for answer in answers],
    }
    return [
        Tensor(spec.name, spec.datatype, bytes_array(columns[spec.name], [len(answers)]))
        for spec in outputs
    ]


class HandlerModel:
    """A loaded handler; its process ends with it."""

    def __init__(self, process: HandlerProcess, folder: Path) -> None:
        weakref.finalize(self, end_handler, process, folder)
        process.load()
        self.process = process

    def call(self, body: bytes, content_type: str = "", accept: str = "") -> HandlerAnswer:
        """Call the handler with one body; its type is guessed if it came without one.

        Raises
        ------
        MalformedBody
            If the body is not what its content type says.
        RuntimeFailed
            If the handler fails.
        """
        return self.process.call(body, content_type or guess_type(body), accept)

    def run(self, inputs: Sequence[Tensor], outputs: Sequence[TensorSpec]) -> list[Tensor]:
        """Call the handler for each element of ``body``, in order."""
        calls = HandlerCalls.of_inputs(inputs)
        answers = [self.call(body, calls.content_type, calls.accept) for body in calls.bodies]
        return answer_tensors(answers, outputs)

    def interrupt(self) -> None:
        """End the call that is under way, and every later one, with ``RuntimeFailed``."""
        self.process.interrupt()


def end_handler(process: HandlerProcess, folder: Path) -> None:
    """End a handler's process, and remove its files."""
    process.close()
    shutil.rmtree(folder, ignore_errors=True)


def keep_files(folder: Path) -> Path:
    """Move a version's files to a place that they keep as long as its handler runs."""
    kept = Path(tempfile.mkdtemp(prefix="version-", dir=folder.parent))
    return Path(shutil.move(folder, kept / "bundle"))
