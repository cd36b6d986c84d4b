"""What a running stage is sent, drawn from its OpenAPI document: ``test_openapi`` runs this file.

In a process of its own: schemathesis draws its cases while they are collected, for nine seconds,
and every worker of pytest collects every test. ``SERVAL_TEST_STATE`` names the stage, and
``SERVAL_TEST_KEY`` is the key to call it with.
"""

import copy
import itertools
import os
from typing import Any

import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from serval.openapi.document import document
from tests.local.test_openapi import MEMBERS
from tests.stateful.extent import TIMES

CHOICES = {
    "model": ["iris", "digits", "absent"],
    "version": ["1", "2", "99999"],
    "id": ["order-4711", "absent"],
}
"""What path parameters are in positive examples; negative ones have any text."""
ONE_IN = 5 if TIMES == 1 else 1
"""Of the cases that cover every limit in the document, 3,000 or so: a soak sends them all."""
covered = itertools.count()


def described() -> Any:
    """Return the document, with path parameters that name what a stage may have."""
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


@schema.parametrize()
@settings(
    max_examples=6 * TIMES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_is_one_that_the_document_names(case: Any, stage: Any) -> None:
    if case.meta.phase.name == "coverage" and next(covered) % ONE_IN:
        return
    case.call_and_validate(
        base_url=stage.api_url,
        checks=CHECKS,
        headers={"x-api-key": os.environ["SERVAL_TEST_KEY"]},
        timeout=300,
    )
