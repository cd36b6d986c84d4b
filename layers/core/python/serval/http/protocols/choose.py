"""Which protocol a call speaks: its path says so.

A protocol is imported by the first call that speaks it, so that plain tensors pay for no other.
"""

from functools import cache
from importlib import import_module
from typing import cast

from serval.access.admission import Admission
from serval.errors import ServalError
from serval.http.call import HttpCall
from serval.http.protocols import v2
from serval.http.protocols.protocol import WireProtocol
from serval.http.refusals import is_openai

MODULES = {
    "models": "own_words",
    "v1": "v1",
    "endpoints": "sagemaker",
    "mlflow": "mlflow",
}
"""First segment of a path → the module of its protocol."""


def choose_protocol(path: str) -> WireProtocol:
    """Choose the protocol of a path; those that are no other's are V2's."""
    name = MODULES.get(path[1 : path.find("/", 1)])
    if name is None:
        return v2
    if is_openai(path):
        name = "openai"
    return import_protocol(name)


@cache
def import_protocol(name: str) -> WireProtocol:
    """Import a protocol's module; the import system takes longer to find it again."""
    return cast(WireProtocol, import_module(f"serval.http.protocols.{name}"))


def find_address(
    call: HttpCall, protocol: WireProtocol, admission: Admission
) -> tuple[str, str | None]:
    """Return the model and the version that are called; refuse strangers first.

    Raises
    ------
    InvalidRequest, NotAuthenticated
        If the call names no model, or comes from a stranger.
    """
    try:
        return protocol.address(call)
    except ServalError:
        admission.authenticate(call.headers, key_hash=call.key_hash)
        raise
