"""The signature that every handler has: bodies in, answers out, with their types."""

from dataclasses import dataclass

from serval.models.signature import Signature, TensorSpec

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
