"""The body of a call to a pipeline in its own words: ``{"inputs": {name: value, …}}``."""

from collections.abc import Mapping
from typing import Any

from serval.errors import InvalidInputs, MalformedBody
from serval.foreign import read_document
from serval.models.signature import Signature
from serval.models.tensor import Tensor
from serval.pipelines.values import BASE64, make_tensor
from serval.protocol.binary_tensors import bytes_array
from serval.protocol.content import media_type
from serval.protocol.limits import MOST_JSON_BYTES
from serval.protocol.request import check_complete
from serval.short_repr import short_repr

MEDIA = ("image/", "audio/")
INPUTS, PARAMETERS = "inputs", "parameters"
"""Clients of tasks send empty parameters, too."""


def read_body(
    signature: Signature, body: str | bytes, content_type: str, json_limit: int = MOST_JSON_BYTES
) -> list[Tensor]:
    """Read the inputs of a pipeline: JSON, or a file if its only input is of BYTES.

    Raises
    ------
    MalformedBody, InvalidInputs, InvalidTensor
        If it is neither, or does not fit the signature.
    PayloadTooLarge
        If there is more JSON than ``json_limit``.
    """
    sent = body if isinstance(body, bytes) else body.encode("utf-8", "surrogatepass")
    first = signature.inputs[0]
    if media_type(content_type).startswith(MEDIA):
        if len(signature.inputs) != 1 or first.datatype != "BYTES" or len(first.shape) != 1:
            raise InvalidInputs(
                f"a file given, and the pipeline takes {', '.join(_names(signature))}: JSON "
                "expected, as {'inputs': {name: value}}"
            )
        return [Tensor(first.name, "BYTES", bytes_array([sent], [1]))]
    document = read_document(sent, "the body", json_limit)
    given = document.get(INPUTS) if isinstance(document, dict) else None
    if given is None or not isinstance(document, dict) or document.keys() - {INPUTS, PARAMETERS}:
        raise MalformedBody(f"{short_repr(document)} given, {{'inputs': {{name: value}}}} expected")
    parameters = document.get(PARAMETERS) or {}
    if not isinstance(parameters, dict) or any(each is not None for each in parameters.values()):
        raise InvalidInputs("parameters: a pipeline takes none; what its steps take is an input")
    return read_inputs(signature, given)


def read_inputs(signature: Signature, given: Any) -> list[Tensor]:
    """Read values by the names of their inputs; the name of an only input may be left out."""
    names = _names(signature)
    in_base64 = BASE64 not in names and isinstance(given, Mapping) and given.keys() == {BASE64}
    if in_base64 or not isinstance(given, Mapping):
        if len(names) != 1:
            raise InvalidInputs(f"an object with {', '.join(names)} expected as 'inputs'")
        given = {names[0]: given}
    if unknown := sorted(given.keys() - {*names}):
        raise InvalidInputs(
            f"input {short_repr(unknown[0])} is unknown: the pipeline takes {', '.join(names)}"
        )
    check_complete(given, signature)
    return [make_tensor(spec, given[spec.name]) for spec in signature.inputs]


def _names(signature: Signature) -> list[str]:
    return [spec.name for spec in signature.inputs]
