"""The OpenAPI document is current, complete and valid."""

from pathlib import Path

import jsonschema_rs
import pytest
from schemathesis import openapi

from serval.http.describe import ANSWERS, ELSEWHERE
from serval.http.dispatch import Endpoint
from serval.http.replies import COMPRESS_FROM_BYTES
from serval.http.status import STATUS
from serval.models.tensor import DATATYPES as TENSOR_DATATYPES
from serval.openapi.__main__ import text
from serval.openapi.document import document
from serval.openapi.infer import EXAMPLE
from serval.openapi.operations import ERRORS
from serval.openapi.schemas import DATATYPES
from serval.protocol.content import BINARY_LIMIT_BYTES, INFLATED_LIMIT_BYTES, JSON_LIMIT_BYTES
from serval.protocol.json_values import MAX_TENSORS
from serval.protocol.request import MAX_DIMENSIONS

ROOT = Path(__file__).parents[3]


def test_the_committed_document_is_current() -> None:
    committed = (ROOT / "docs/openapi.json").read_text()
    assert committed == text(), "run `python -m serval.openapi > docs/openapi.json`"


def test_every_endpoint_is_an_operation_and_no_other() -> None:
    operations = {
        Endpoint(method.upper(), path)
        for path, item in document()["paths"].items()
        for method in item
        if method != "parameters"
    }
    assert operations == {*ANSWERS, *ELSEWHERE}


def test_every_status_of_an_error_is_described() -> None:
    assert set(ERRORS) == {int(status) for status in STATUS.values()}


def test_every_operation_has_an_id_of_its_own() -> None:
    ids = [
        operation["operationId"]
        for item in document()["paths"].values()
        for name, operation in item.items()
        if name != "parameters"
    ]
    assert len(ids) == len(set(ids))


def test_the_datatypes_are_those_of_the_tensors() -> None:
    assert set(DATATYPES) == set(TENSOR_DATATYPES)


def test_the_document_is_valid_openapi() -> None:
    openapi.from_dict(document()).validate()


@pytest.mark.parametrize(
    "data", [[1, 2.5], ["NaN", "-Infinity"], [[True], [False]], [["a"], ["b"]], []]
)
def test_a_request_may_carry_any_form_of_data(data: list[object]) -> None:
    whole = document()
    schema = {**whole["components"]["schemas"]["InferenceRequest"], **whole}
    request = {"inputs": [{"name": "x", "shape": [2], "datatype": "FP32", "data": data}]}
    assert jsonschema_rs.is_valid(schema, request)
    assert jsonschema_rs.is_valid(schema, EXAMPLE)
    assert not jsonschema_rs.is_valid(schema, {"inputs": [{"name": "x"}]})


@pytest.mark.parametrize(
    "endpoint",
    [*ANSWERS, *ELSEWHERE],
    ids=lambda endpoint: f"{endpoint.method} {endpoint.template}",
)
def test_every_endpoint_is_in_the_documentation(endpoint: Endpoint) -> None:
    assert f"`{endpoint.method} {endpoint.template}`" in (ROOT / "docs/api.md").read_text()


@pytest.mark.parametrize("error", STATUS, ids=lambda error: error.__name__)
def test_every_error_is_in_the_documentation(error: type) -> None:
    assert f"`{error.__name__}`" in (ROOT / "docs/api.md").read_text()


def test_the_documented_limits_are_those_of_the_code() -> None:
    limits = (JSON_LIMIT_BYTES, BINARY_LIMIT_BYTES, INFLATED_LIMIT_BYTES, COMPRESS_FROM_BYTES)
    assert limits == (5_500_000, 4_400_000, 32 * 2**20, 1024)
    assert (MAX_DIMENSIONS, MAX_TENSORS) == (32, 1024)
