"""MLflow's scoring protocol: ``POST /mlflow/{model}/invocations``.

Specification: "Local Inference Server Spec" in the documentation of MLflow.
"""

import json
import re
from typing import Any
from urllib.parse import unquote

import orjson

from serval.errors import MalformedBody, PathNotFound, UnsupportedFeature
from serval.foreign import refuse_repeated, refusing
from serval.http.call import HttpCall
from serval.http.protocols.ask import ask_given
from serval.http.protocols.given import INPUTS, INSTANCES, RECORDS, SPLIT, Forms, Given, read_given
from serval.http.protocols.protocol import Asked
from serval.http.protocols.tables import read_csv_table
from serval.http.refusals import CSV, MLFLOW_TAKES, declared_type
from serval.inference.loaded import Loaded
from serval.protocol.content import to_bytes
from serval.protocol.limits import RequestLimits
from serval.protocol.request import check_json_size

NOT_FINITE = re.compile(rb"NaN|Infinity")
FORMS = Forms(SPLIT, RECORDS, INSTANCES, INPUTS, parameters="params")


def address(call: HttpCall) -> tuple[str, str | None]:
    """Return the model in the path, and the version in a header."""
    _, _, model, *operation = call.path.split("/", 3)
    if operation != ["invocations"]:
        raise PathNotFound(call.method, call.path, [f"POST /mlflow/{model}/invocations"])
    return unquote(model), call.version


def read(loaded: Loaded, call: HttpCall, limits: RequestLimits) -> Asked[Any]:
    """Read one of the four forms of JSON, or CSV with a header.

    Raises
    ------
    UnsupportedFeature
        If the body is declared as something else.
    """
    declared = declared_type(call)
    if declared not in MLFLOW_TAKES:
        raise UnsupportedFeature(
            f"Content-Type {declared!r:.80} given, {' or '.join(MLFLOW_TAKES)} expected: write a "
            "table as 'dataframe_split' or CSV, or run a batch job over a file of Parquet"
        )
    body = to_bytes(call.read_body(limits))
    check_json_size(len(body), limits.json_bytes)
    if declared == CSV:
        return ask_given(loaded, Given("table", read_csv_table(body, loaded, has_header=True)))
    try:
        given = read_given(body, FORMS)
    except MalformedBody:
        if NOT_FINITE.search(body) is None:
            raise
        given = read_given(_spell_numbers(body, loaded), FORMS)
    return ask_given(loaded, given)


def _spell_numbers(body: bytes, loaded: Loaded) -> bytes:
    """Spell the numbers that JSON lacks, which MLflow's client writes as they are.

    NaN is null in a table, whose texts may be missing, too, and a text elsewhere in tensors.
    """
    with refusing(lambda said: MalformedBody(f"the body is not valid JSON: {said}")):
        document = _parse(body, None)
        is_table = isinstance(document, dict) and not document.keys().isdisjoint((SPLIT, RECORDS))
        if loaded.task is None and not is_table:
            document = _parse(body, "NaN")
        return orjson.dumps(document)


def _parse(body: bytes, nan: str | None) -> Any:
    """Parse JSON that may have NaN and infinite numbers, which become texts."""
    return json.loads(
        body,
        parse_constant=lambda name: nan if name == "NaN" else name,
        object_pairs_hook=refuse_repeated,
    )
