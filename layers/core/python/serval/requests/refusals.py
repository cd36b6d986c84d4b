"""What a request was refused for: in its row, and as the error that its caller gets."""

import json
from collections.abc import Mapping

from serval.errors import (
    ContextTooLong,
    InvalidInputs,
    InvalidParameter,
    MalformedBody,
    ServalError,
    UnsupportedFeature,
)
from serval.short_repr import LIMIT_CHARACTERS, short_repr

KINDS: Mapping[str, type[ServalError]] = {
    kind.__name__: kind for kind in (ContextTooLong, MalformedBody, UnsupportedFeature)
}
"""Errors of callers that are told apart, beside parameters; all others are ``InvalidInputs``."""
PARAMETER = InvalidParameter.__name__


def kind_of(error: ServalError) -> str:
    """Return what a row keeps of an error beside its message: its class, and what it names."""
    kind = type(error).__name__
    if isinstance(error, InvalidInputs) and error.said:
        return f"{kind} {json.dumps(error.said)}"
    if not isinstance(error, InvalidParameter):
        return kind
    name = error.name if len(error.name) <= LIMIT_CHARACTERS else short_repr(error.name)
    return f"{kind} {name}"


def told_error(kind: str | None, message: str) -> ServalError:
    """Return the error that a row tells of."""
    name, _, named = (kind or "").partition(" ")
    if name == PARAMETER and named:
        return InvalidParameter.as_told(named, message)
    error = KINDS.get(name, InvalidInputs)(message)
    if isinstance(error, InvalidInputs) and named:
        error.said = json.loads(named)
    return error
