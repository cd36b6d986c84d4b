"""SageMaker's asynchronous inference: from the call of an SDK to the object with its answer."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from serval.http.protocols.invocations import write_output
from serval.requests.callbacks.deliver import DeliverCallback
from serval.requests.document import Documents
from serval.requests.invocation import OutputPlace
from tests.fakes.fleet_calls import SPEAKER, Fleet
from tests.fakes.inference import plus, signature
from tests.fakes.requests import RecordedTasks
from tests.fakes.submission import KEY, call
from tests.fakes.task_models import publish_sentiment

PATH = "/endpoints/textgen/async-invocations"
PREFIX = "x-amzn-sagemaker-"
INPUT = "async/in/textgen/rows"


class Caller:
    """Calls a fleet's model, and looks at what is written."""

    def __init__(self, folder: Path) -> None:
        self.fleet = Fleet(folder)
        self.fleet.registry.publish("textgen", "1", plus(1), signature("FP32", [-1, 2]))
        self.objects = self.fleet.bench.payloads.objects

    def invoke(
        self, body: bytes | None, location: str = f"s3://data/{INPUT}", **headers: str
    ) -> dict[str, Any]:
        """Submit a call whose input is an object."""
        if body is not None:
            self.objects[INPUT] = body
        given = {f"{PREFIX}inputlocation": location, **headers}
        event = call("wait", PATH, None, **given) | {"body": None, "isBase64Encoded": False}
        return self.send(event)

    def send(self, event: dict[str, Any]) -> dict[str, Any]:
        endpoint = replace(self.fleet.bench.submit, data_bucket="data")
        return endpoint.reply(event)

    def answer(self, reply: dict[str, Any]) -> tuple[str, bytes]:
        """Let the worker work, and its callback be delivered; return what was written and where."""
        assert reply["statusCode"] == 202, reply
        self.fleet.work()
        bench = self.fleet.bench
        deliver = DeliverCallback(
            bench.store,
            Documents(bench.payloads, bench.records),
            None,
            bench.log.append,
            RecordedTasks(),
            self.write,  # type: ignore[arg-type]
        )
        assert deliver.deliver(reply["headers"]["serval-request-id"])
        place = OutputPlace.from_url(reply["headers"][f"{PREFIX}outputlocation"])
        assert reply["headers"][f"{PREFIX}failurelocation"] == place.failure_url
        [key] = self.objects.keys() & {place.output_key, place.failure_key}
        return key.rpartition(".")[2], self.objects[key]

    def write(self, request: Any) -> None:
        write_output(request, self.fleet.bench.payloads, self.fleet.registry.version)


@pytest.fixture
def caller(tmp_path: Path) -> Caller:
    return Caller(tmp_path)


def headers(**given: str) -> dict[str, str]:
    return {f"{PREFIX}{name.replace('_', '-')}": value for name, value in given.items()}


def test_an_input_in_the_bucket_is_answered_in_the_bucket(caller: Caller) -> None:
    given = headers(content_type="text/csv", accept="text/csv", inference_id="mine")
    reply = caller.invoke(b"1,2\n3,4\n", **given)
    assert json.loads(reply["body"]) == {"InferenceId": "mine"}
    assert caller.answer(reply) == ("out", b"2.0,3.0\n4.0,5.0\n")
    assert caller.fleet.bench.row.callback_sent is not None


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ([[1, 2]], [[2, 3]]),
        ({"instances": [[1, 2]]}, {"predictions": [[2, 3]]}),
    ],
)
def test_the_answer_has_the_form_that_an_invocation_has(
    caller: Caller, body: Any, expected: Any
) -> None:
    reply = caller.invoke(json.dumps(body).encode(), **headers(content_type="application/json"))
    kind, answer = caller.answer(reply)
    assert (kind, json.loads(answer)) == ("out", expected)


def test_a_body_may_come_with_the_call(caller: Caller) -> None:
    reply = caller.send(call("wait", PATH, [[1, 2]], **headers(content_type="application/json")))
    assert json.loads(caller.answer(reply)[1]) == [[2, 3]]


def test_a_call_has_an_input_or_a_body_and_not_both(caller: Caller) -> None:
    given = headers(content_type="application/json", inputlocation=f"s3://data/{INPUT}")
    caller.objects[INPUT] = b"[[5, 6]]"
    reply = caller.send(call("wait", PATH, [[1, 2]], **given))
    assert (reply["statusCode"], reply["headers"]["x-amzn-errortype"]) == (400, "ValidationError")
    assert "no body beside it expected" in json.loads(reply["body"])["Message"]
    assert not caller.fleet.bench.store.rows


def test_a_task_answers_in_its_words(caller: Caller) -> None:
    publish_sentiment(caller.fleet.registry, "textgen")
    reply = caller.invoke(b'{"inputs": "good"}', **headers(content_type="application/json"))
    [[best, _]] = json.loads(caller.answer(reply)[1])
    assert best["label"] == "POSITIVE"


def test_a_handler_is_called_with_the_input(caller: Caller) -> None:
    caller.fleet.registry.publish_handler("textgen", SPEAKER)
    reply = caller.invoke(b'{"inputs": "hum"}', **headers(content_type="application/json"))
    assert json.loads(caller.answer(reply)[1]) == {"heard": {"inputs": "hum"}}


def test_what_fails_is_written_where_failures_are_looked_for(caller: Caller) -> None:
    reply = caller.invoke(b"1,2\n", **headers(content_type="text/csv"))
    bench = caller.fleet.bench
    bench.fail(bench.row.id, "the runtime ran out of memory", refused=True)
    assert caller.answer(reply) == ("error", b"the runtime ran out of memory")


@pytest.mark.parametrize(
    ("body", "location", "words"),
    [
        (None, "s3://data/async/in/textgen/none", "an object that is there expected"),
        (b"1", "s3://other/async/in/textgen/rows", "an object under s3://data/async/in/textgen/"),
        (b"1", "s3://data/async/in/iris/rows", "an object under s3://data/async/in/textgen/"),
        (b"1", "s3://data/async/20261121T101530-6f0c/request", "an object under"),
        (b"", f"s3://data/{INPUT}", "is empty"),
        (b"[[1, 2, 3]]", f"s3://data/{INPUT}", "shape [1, 3] given, [-1, 2] expected"),
        (b" " * (6 * 2**20 + 1), f"s3://data/{INPUT}", "as an upload"),
    ],
)
def test_what_cannot_be_run_is_refused_as_the_sdk_reads_it(
    caller: Caller, body: bytes | None, location: str, words: str
) -> None:
    kind = headers(content_type="application/json")
    reply = caller.invoke(body, location, **kind)
    assert reply["statusCode"] in (400, 413)
    assert reply["headers"]["x-amzn-errortype"] == "ValidationError"
    assert words in json.loads(reply["body"])["Message"]
    assert not caller.fleet.bench.store.rows


def test_a_key_without_scope_submits_nothing(caller: Caller) -> None:
    caller.fleet.bench.grant("srv_iris", "iris")
    event = call("wait", PATH, [[1, 2]], key="srv_iris")
    assert caller.send(event)["headers"]["x-amzn-errortype"] == "AccessDeniedException"
    long = headers(inference_id="x" * 65)
    assert "at most 64" in caller.send(call("wait", PATH, [[1, 2]], key=KEY, **long))["body"]
