"""``infer`` as Lambda runs it: Lambda's own client for Python, over a stand-in of its API."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from serval.models.metrics import METRICS, SPARE_FLUSHES
from serval_cli.local.launcher.patches.functions import embedded_metrics
from tests.fakes.emulator import Emulator, emulator
from tests.fakes.inference import event, plus, signature, version_record
from tests.fakes.lambda_function import INFER, INFER_LAYERS, STREAM, running, terminated
from tests.fakes.runtime_api import RuntimeApi

pytestmark = pytest.mark.slow

PYTHON = Path(sys.executable)
WAIT_SECONDS = 60
BODY = json.dumps({"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}]})


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """Give an emulator that has a model ``plus``."""
    folder = tmp_path_factory.mktemp("bundle")
    (folder / "model.onnx").write_bytes(plus(1))
    record = version_record("plus", "1", plus(1), signature("FP32", [-1, 2]))
    with emulator() as running_emulator:
        running_emulator.publish(record, folder)
        yield running_emulator


@pytest.fixture
def api() -> Iterator[RuntimeApi]:
    with RuntimeApi() as running_api:
        yield running_api


@pytest.fixture
def request_to_plus(aws: Emulator) -> dict[str, Any]:
    key, _ = aws.keys.create("test", ["plus"])
    return event("plus", BODY, x_api_key=key)


def test_a_request_is_answered(
    aws: Emulator, api: RuntimeApi, request_to_plus: dict[str, Any]
) -> None:
    with running(PYTHON, api, INFER, INFER_LAYERS, aws.settings):
        first, second = api.invoke(request_to_plus), api.invoke(request_to_plus)
    assert (first.kind, second.kind) == ("response", "response")
    assert first.reply["statusCode"] == 200, first.reply
    assert json.loads(first.reply["body"])["outputs"][0]["data"] == [2, 3]
    assert "load;dur=" in first.reply["headers"]["server-timing"]
    assert "load;dur=" not in second.reply["headers"]["server-timing"]


def test_at_the_streaming_url_the_same_answer_comes_by_our_own_loop(
    aws: Emulator, api: RuntimeApi, request_to_plus: dict[str, Any]
) -> None:
    with running(PYTHON, api, STREAM, INFER_LAYERS, aws.settings) as function:
        first, second = api.invoke(request_to_plus), api.invoke(request_to_plus)
        assert api.asked.acquire(timeout=WAIT_SECONDS)
        printed = terminated(function)
    assert function.returncode == 0, printed
    for outcome in (first, second):
        assert outcome.headers["lambda-runtime-function-response-mode"] == "streaming"
        prelude, _, body = outcome.body.partition(bytes(8))
        assert json.loads(prelude)["statusCode"] == 200, outcome.body
        assert json.loads(body)["outputs"][0]["data"] == [2, 3]


def test_lambda_hears_of_an_extension_that_wants_no_events(aws: Emulator, api: RuntimeApi) -> None:
    with running(PYTHON, api, INFER, INFER_LAYERS, aws.settings):
        assert api.asked.acquire(timeout=WAIT_SECONDS)
        assert api.extensions == [("serval", [])]
        assert api.extension_waits.wait(WAIT_SECONDS), "Lambda waits until it is ready"


def test_the_last_metrics_are_printed_before_the_environment_ends(
    aws: Emulator, api: RuntimeApi, request_to_plus: dict[str, Any]
) -> None:
    with running(PYTHON, api, INFER, INFER_LAYERS, aws.settings) as function:
        for _ in range(SPARE_FLUSHES + 3):
            assert api.invoke(request_to_plus).reply["statusCode"] == 200
        for _ in range(SPARE_FLUSHES + 4):
            assert api.asked.acquire(timeout=WAIT_SECONDS), "it waits for an event, as when idle"
        printed = terminated(function)
        assert function.returncode == 0, printed
    documents = [json.loads(line) for line in printed.splitlines()]
    *at_once, last = [document["Requests"] for document in documents]
    assert set(at_once) == {1}
    assert (len(documents[-1]["Latency"]), sum(at_once) + last) == (last, SPARE_FLUSHES + 3)
    assert last > 1, "the spare flushes were spent"


def test_under_lambdas_json_format_lines_stay_as_they_are_printed(
    aws: Emulator, api: RuntimeApi, request_to_plus: dict[str, Any]
) -> None:
    settings = {
        **aws.settings,
        "AWS_LAMBDA_LOG_FORMAT": "JSON",
        "AWS_LAMBDA_LOG_LEVEL": "INFO",
    }
    with running(PYTHON, api, INFER, INFER_LAYERS, settings) as function:
        assert api.invoke(request_to_plus).reply["statusCode"] == 200
        assert api.asked.acquire(timeout=WAIT_SECONDS)
        printed = terminated(function)
    (line,) = printed.splitlines()
    document = json.loads(line)
    assert document.keys() == {"_aws", "Model", "Track", "Requests", "Errors", "Latency"}
    assert {datum.name for datum in embedded_metrics.read_metrics(printed)} == METRICS.keys()


def test_an_environment_that_has_answered_nothing_ends_in_silence(
    aws: Emulator, api: RuntimeApi
) -> None:
    with running(PYTHON, api, INFER, INFER_LAYERS, aws.settings) as function:
        assert api.asked.acquire(timeout=WAIT_SECONDS)
        assert terminated(function) == ""
        assert function.returncode == 0


def test_lambda_hears_which_settings_are_missing(api: RuntimeApi) -> None:
    with running(PYTHON, api, INFER, INFER_LAYERS, {}) as function:
        outcome = api.outcomes.get(timeout=WAIT_SECONDS)
        function.communicate(timeout=WAIT_SECONDS)
    assert outcome.kind == "init error"
    assert "REGISTRY_TABLE is missing; ARTIFACT_BUCKET is missing" in outcome.reply["errorMessage"]
