"""KServe's V1 protocol: ``POST /v1/models/{model}:predict``.

Specification: "Data Plane (V1)" of KServe, which is TensorFlow Serving's ``instances`` and
``inputs``, always answered with ``predictions``.
"""

from typing import Any
from urllib.parse import unquote

from serval.errors import PathNotFound
from serval.http.call import HttpCall
from serval.http.protocols.ask import ask_given
from serval.http.protocols.given import INPUTS, INSTANCES, Forms, read_given
from serval.http.protocols.protocol import Asked
from serval.inference.loaded import Loaded
from serval.protocol.content import to_bytes
from serval.protocol.limits import RequestLimits
from serval.protocol.request import check_json_size

PREDICT = "predict"
FORMS = Forms(INSTANCES, INPUTS, parameters="parameters")


def address(call: HttpCall) -> tuple[str, str | None]:
    """Return the model before ``:predict``, and the version in a header.

    Raises
    ------
    PathNotFound
        If something else is asked for.
    """
    model, _, verb = unquote(call.path.rpartition("/")[2]).partition(":")
    if verb != PREDICT:
        raise PathNotFound(call.method, call.path, [f"POST /v1/models/{model}:{PREDICT}"])
    return model, call.version


def read(loaded: Loaded, call: HttpCall, limits: RequestLimits) -> Asked[Any]:
    """Read ``instances``, which are rows, or ``inputs``, which are whole."""
    body = to_bytes(call.read_body(limits))
    check_json_size(len(body), limits.json_bytes)
    return ask_given(loaded, read_given(body, FORMS))
