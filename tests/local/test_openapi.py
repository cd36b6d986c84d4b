"""The running stage keeps what its OpenAPI document promises, whatever it is sent."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from serval.http.describe import ANSWERS, ELSEWHERE
from serval.http.dispatch import Endpoint
from serval.openapi.document import document

CASES = Path(__file__).parent / "openapi_cases.py"
MEMBERS = {"endpoints": "Message", "mlflow": "message"}
"""First segment of a path → the member of an error that says what is wrong; else ``error``."""


def test_the_stage_serves_its_document(stage: Any) -> None:
    reply = httpx.get(
        f"{stage.api_url}/openapi.json", headers={"x-api-key": stage.api_key}, timeout=300
    )
    assert reply.json() == document()


@pytest.mark.soak
def test_every_answer_is_one_that_the_document_names(stage: Any) -> None:
    own = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    # A key of its own: it starts batch jobs until the key may start no more in that minute.
    key = json.loads(stage.serval("keys", "create", "openapi", "--json"))["key"]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "--quiet", "-p", "no:cacheprovider", str(CASES)],
        env=own | {"SERVAL_TEST_STATE": str(stage.state), "SERVAL_TEST_KEY": key},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr


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
