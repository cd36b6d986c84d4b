"""The running stage keeps what its OpenAPI document promises, whatever it is sent."""

import copy
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from serval.http.describe import ANSWERS, ELSEWHERE
from serval.http.dispatch import Endpoint
from serval.openapi.document import document

CHOICES = {
    "model": ["iris", "digits", "absent"],
    "version": ["1", "2", "99999"],
    "id": ["order-4711", "absent"],
}
"""What path parameters are in positive examples; negative ones have any text."""


def described() -> Any:
    """Give the document, with path parameters that name what a stage may have."""
    whole = copy.deepcopy(document())
    tensor = whole["components"]["schemas"]["InputTensor"]
    inputs = {"name": {"enum": ["measurements", "absent"]}}
    whole["components"]["schemas"]["InputTensor"] = {
        **tensor,
        "properties": {**tensor["properties"], **inputs},
    }
    for item in whole["paths"].values():
        if "parameters" in item:
            item["parameters"] = [
                {**parameter, "schema": {"type": "string", "enum": CHOICES[parameter["name"]]}}
                for parameter in item["parameters"]
            ]
    return schemathesis.openapi.from_dict(whole)


schema = described()


MEMBERS = {"endpoints": "Message", "mlflow": "message"}
"""First segment of a path → the member of an error that says what is wrong; else ``error``."""


def errors_are_plain_json(context: Any, response: Any, case: Any) -> None:
    """Hold an error to exactly ``application/json``, one message, no compression."""
    if response.status_code < 400:
        return
    assert response.headers["content-type"] == ["application/json"]
    assert "content-encoding" not in response.headers
    body = response.json()
    member = MEMBERS.get(case.operation.path.split("/")[1], "error")
    assert body[member]
    assert member != "error" or list(body) == ["error"]


CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    errors_are_plain_json,
]


def test_the_stage_serves_its_document(stage: Any) -> None:
    reply = httpx.get(
        f"{stage.api_url}/openapi.json", headers={"x-api-key": stage.api_key}, timeout=300
    )
    assert reply.json() == document()


@schema.parametrize()
@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_is_one_that_the_document_names(case: Any, stage: Any) -> None:
    case.call_and_validate(
        base_url=stage.api_url,
        checks=CHECKS,
        headers={"x-api-key": stage.api_key},
        timeout=300,
    )


@pytest.mark.parametrize(
    "endpoint",
    [*ANSWERS, *ELSEWHERE],
    ids=lambda endpoint: f"{endpoint.method} {endpoint.template}",
)
def test_nothing_is_answered_without_a_key(endpoint: Endpoint, stage: Any) -> None:
    path = endpoint.template.format(model="iris", version="1", id="order-4711")
    reply = httpx.request(endpoint.method, stage.api_url + path, timeout=300)
    assert reply.status_code == 401
    assert MEMBERS.get(endpoint.template.split("/")[1], "error") in reply.json()
