"""tritonclient, unmodified, against a fleet model: when it answers soon, and when it does not."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.local.fleet_caller import Caller, answered

PYTHON = Path(__file__).parents[2] / "build" / "environments" / "clients" / "bin" / "python"
CONVERSATION = """
import sys
import numpy as np
import tritonclient.http as http
from tritonclient.utils import InferenceServerException

url, key, model, binary = sys.argv[1:]
client = http.InferenceServerClient(url, connection_timeout=60, network_timeout=60)
x = http.InferInput("x", [1, 2], "FP32")
x.set_data_from_numpy(np.array([[1, 2]], np.float32), binary_data=binary == "binary")
y = http.InferRequestedOutput("y", binary_data=binary == "binary")
try:
    result = client.infer(model, [x], outputs=[y], headers={"x-api-key": key})
    print(result.as_numpy("y").tolist())
except InferenceServerException as error:
    print(error.status(), error.message())
"""


def infer(caller: Caller, api_key: str, model: str, form: str = "JSON") -> str:
    """Let tritonclient infer on x = (1, 2); gives what it got."""
    assert PYTHON.exists(), "run `make test`: it makes build/environments/clients"
    url = caller.stage.api_url.removeprefix("http://")
    run = subprocess.run(
        [PYTHON, "-W", "ignore", "-c", CONVERSATION, url, api_key, model, form],
        capture_output=True,
        text=True,
        check=True,
    )
    return run.stdout.strip()


@pytest.mark.parametrize("form", ["JSON", "binary"])
def test_a_fleet_model_answers_tritonclient_when_it_is_quick(
    caller: Caller, api_key: str, form: str
) -> None:
    caller.ready("pair", workers=2)
    assert infer(caller, api_key, "third", form) == "[[4.0, 3.0]]"


def test_tritonclient_gets_the_id_of_what_goes_on_when_it_is_not(
    caller: Caller, api_key: str
) -> None:
    caller.stage.serval("pause", "third")
    try:
        caller.obeyed("pair")
        said = infer(caller, api_key, "third")
    finally:
        caller.stage.serval("resume", "third")
    assert said.startswith("503 ")
    found = re.search(r"async request '([^']+)'", said)
    assert found is not None, said
    assert answered(caller.ended(found[1])) == [4, 3]
