"""The signature that every handler has: bodies in, answers out, with their types."""

from collections.abc import Sequence
from dataclasses import dataclass

from serval.models.signature import Signature, TensorSpec
from serval.models.tensor import Tensor
from serval.protocol.binary_tensors import bytes_array

BODY, ANSWER = "body", "answer"
CONTENT_TYPE, ACCEPT = "content_type", "accept"
HANDLER_SIGNATURE = Signature(
    (TensorSpec(BODY, "BYTES", (-1,)),),
    (TensorSpec(ANSWER, "BYTES", (-1,)), TensorSpec(CONTENT_TYPE, "BYTES", (-1,))),
    (TensorSpec(CONTENT_TYPE, "BYTES", (1,)), TensorSpec(ACCEPT, "BYTES", (1,))),
)
"""Each element of ``body`` is the body of one call, such as a JSON document or an image.

The ``content_type`` of all bodies, and what their caller accepts, may come beside them; each answer
has a type of its own.
"""


@dataclass(frozen=True, slots=True)
class HandlerAnswer:
    """What a handler answered."""

    body: bytes
    content_type: str


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
