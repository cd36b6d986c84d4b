"""Which protocol a call speaks: its path says so.

A protocol is imported by the first call that speaks it, so that plain tensors pay for no other.
"""

from http import HTTPStatus

from serval.errors import ServalError
from serval.http.call import OWN_WORDS, HttpCall, Reply
from serval.http.protocols import v2
from serval.http.protocols.protocol import WireProtocol


def choose_protocol(path: str) -> WireProtocol:
    """Choose the protocol of a path; those that are no other's are V2's."""
    if path.startswith(OWN_WORDS):
        from serval.http.protocols import own_words

        return own_words
    return v2


def refuse_by_path(error: ServalError, status: HTTPStatus, call: HttpCall) -> Reply:
    """Write an error in the shape of the protocol that the call speaks."""
    return choose_protocol(call.path).refuse(error, status, call)
