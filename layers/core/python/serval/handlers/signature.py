"""The signature that every handler has: bodies in, answers out."""

from serval.models.signature import Signature, TensorSpec

BODY, ANSWER = "body", "answer"
HANDLER_SIGNATURE = Signature(
    (TensorSpec(BODY, "BYTES", (-1,)),), (TensorSpec(ANSWER, "BYTES", (-1,)),)
)
"""Each element of ``body`` is the body of one call, such as a JSON document or an image."""
