"""Custom Python on the platform: published, called, broken; with a package of its own."""

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from tests.local.batch_caller import BatchCaller
from tests.local.conftest import LocalStage
from tests.local.fleet_models.bundles import SHELF, UNRULY, write_fleet_shelf

Value = TypeVar("Value")
TOKEN = "hf_0123456789"
FINDER = """
name: finder
inputs: [{name: title, datatype: BYTES, shape: [1]}]
steps:
  - {name: here, model: shelf, input: {inputs: title, parameters: '{"top_k": 1}'}}
  - {name: there, model: fleet-shelf, input: {body: '$string({"inputs": here[0].label})'}}
  - {name: well, model: unruly, input: {do: '"well"'}}
output: '{"here": here[0].label, "there": there[0].score, "did": well.did}'
golden: golden.jsonl
"""


def await_that(read: Callable[[], Value], is_there: Callable[[Value], object]) -> Value:
    """Read until something is there, which takes a command's time each."""
    deadline = time.monotonic() + 60
    while not is_there(value := read()):
        assert time.monotonic() < deadline, value
    return value


@pytest.fixture(scope="module")
def client(stage: LocalStage) -> Any:
    with httpx.Client(
        base_url=stage.api_url, headers={"x-api-key": stage.api_key}, timeout=60
    ) as made:
        yield made


@pytest.fixture(scope="module", autouse=True)
def _published(stage: LocalStage) -> None:
    stage.serval("push", str(SHELF), "--wait")
    stage.serval("secrets", "set", "unruly", "token", stdin=TOKEN)
    stage.serval("push", str(UNRULY), "--wait")


def test_a_handler_with_a_package_of_its_own_answers_its_callers(client: httpx.Client) -> None:
    reply = client.post("models/shelf", json={"inputs": "mobby dik"})
    assert reply.status_code == 200, reply.text
    [best] = reply.json()
    assert best == {"label": "Moby Dick", "score": pytest.approx(0.8889, abs=1e-4)}
    assert reply.headers["serval-model-version"] == "1"
    again = client.post("models/shelf/versions/1", json={"inputs": "dracula"})
    assert again.json()[0]["label"] == "Dracula"


def test_it_speaks_other_protocols_at_routes_of_its_own(client: httpx.Client) -> None:
    asked = {"inputs": "mobby dik", "parameters": {"top_k": 1}}
    for path in ("v1/models/shelf:predict", "endpoints/shelf/invocations"):
        reply = client.post(path, json=asked)
        assert reply.status_code == 200, reply.text
        assert "Moby Dick" in reply.text
    reply = client.post("mlflow/shelf/invocations", json={"inputs": "dracula"})
    assert reply.json()["predictions"][0]["label"] == "Dracula"


def test_its_own_function_answers_async_requests(client: httpx.Client) -> None:
    bodies = [json.dumps({"inputs": title}) for title in ("mobby dik", "dracula")]
    tensor = {"name": "body", "datatype": "BYTES", "shape": [2], "data": bodies}
    reply = client.post(
        "async/models/shelf/infer", json={"inputs": [tensor]}, headers={"prefer": "wait=20"}
    )
    assert (reply.status_code, reply.json()["status"]) == (200, "succeeded"), reply.text
    answers, types = reply.json()["response"]["outputs"]
    labels = [json.loads(answer)[0]["label"] for answer in answers["data"]]
    assert (labels, types["data"]) == (["Moby Dick", "Dracula"], ["application/json"] * 2)


def test_a_request_that_it_fails_on_becomes_a_dead_letter_and_is_redriven(
    stage: LocalStage, client: httpx.Client
) -> None:
    tensor = {"name": "body", "datatype": "BYTES", "shape": [1], "data": ['{"do": "raise"}']}
    made = client.post("async/models/unruly/infer", json={"inputs": [tensor]}).json()

    def find() -> Any:
        return client.get(f"async/requests/{made['id']}").json()

    failed = await_that(find, lambda found: found["status"] == "failed")
    assert (failed["attempts"], "raised KeyError" in failed["error"]) == (3, True), failed
    seen = json.loads(stage.serval("redrive", "unruly", "--inspect", "--json"))
    assert [letter["id"] for letter in seen["dead_letters"]] == [made["id"]]
    done = json.loads(stage.serval("redrive", "unruly", "--json"))
    assert [(one["id"], one["fate"]) for one in done["redriven"]] == [(made["id"], "queued")]


def test_it_speaks_the_protocol_too(client: httpx.Client) -> None:
    body = json.dumps({"inputs": "frankenstain", "parameters": {"top_k": 1}})
    tensor = {"name": "body", "datatype": "BYTES", "shape": [1], "data": [body]}
    reply = client.post("v2/models/shelf/infer", json={"inputs": [tensor]})
    assert reply.status_code == 200, reply.text
    output, _ = reply.json()["outputs"]
    assert json.loads(output["data"][0])[0]["label"] == "Frankenstein"


@pytest.mark.parametrize(
    ("do", "said"),
    [
        ("raise", "model 'unruly' version '1' failed: code/inference.py raised KeyError in line"),
        ("crash", "code/inference.py its process was ended by SIGSEGV"),
        ("exit", "code/inference.py its process ended by itself with status 3"),
        ("eat", "code/inference.py"),
        ("object", "output_fn returned object: text or bytes expected"),
    ],
)
def test_a_handler_that_fails_is_a_500_and_answers_the_next_call(
    client: httpx.Client, do: str, said: str
) -> None:
    reply = client.post("models/unruly", json={"do": do})
    assert reply.status_code == 500, reply.text
    assert said in reply.json()["error"]
    assert client.post("models/unruly", json={"do": "well"}).json() == {"did": "well"}


def test_no_key_is_in_a_handlers_environment(client: httpx.Client) -> None:
    seen = client.post("models/unruly", json={"do": "environment"}).json()["did"]
    assert (seen["COLOUR"], seen["TOKEN"]) == ("blue", TOKEN)
    assert [name for name in seen if name.startswith("AWS_") or "KEY" in name] == []


def test_a_secret_is_in_no_log_and_in_nothing_that_describes_the_function(
    stage: LocalStage, client: httpx.Client
) -> None:
    assert client.post("models/unruly", json={"do": "print"}).status_code == 200

    def read_log() -> str:
        # What is printed late is logged with the next call.
        assert client.post("models/unruly", json={"do": "well"}).status_code == 200
        return stage.serval("local", "logs", "infer-unruly")

    log = await_that(read_log, lambda log: "the token is [TOKEN]" in log)
    name = stage.functions()["infer-unruly"]
    function = stage.client("lambda").get_function_configuration(FunctionName=name)
    assert function["Environment"]["Variables"]["STAGE"] == "local"
    described = stage.serval("describe", "unruly", "--json")
    assert TOKEN not in log + str(function) + described


def test_a_version_whose_secret_is_gone_is_refused_and_names_it(stage: LocalStage) -> None:
    stage.serval("secrets", "delete", "unruly", "token")
    try:
        with pytest.raises(AssertionError, match="`serval secrets set unruly token`"):
            stage.serval("push", str(UNRULY), "--wait")
    finally:
        stage.serval("secrets", "set", "unruly", "token", stdin=TOKEN)


def test_a_version_with_other_packages_is_refused_until_a_deploy(
    stage: LocalStage, tmp_path: Path
) -> None:
    folder = shutil.copytree(SHELF, tmp_path / "shelf")
    with (folder / "requirements.lock").open("a") as lock:
        lock.write("# another\n")
    with pytest.raises(AssertionError, match="is not the one that the function was deployed with"):
        stage.serval("push", str(folder), "--wait")


def test_on_a_fleet_the_worker_installs_the_packages_and_runs_the_handler(
    stage: LocalStage, client: httpx.Client, tmp_path: Path
) -> None:
    stage.serval("secrets", "set", "fleet-shelf", "token", stdin=TOKEN)
    folder = write_fleet_shelf(tmp_path / "shelf")
    golden = folder / "golden.jsonl"
    right = golden.read_text()
    golden.write_text(right.replace("Moby Dick", "Dracula"))
    with pytest.raises(AssertionError, match=r"golden\.jsonl line 1: answer.*'Dracula' expected"):
        stage.serval("push", str(folder), "--wait")
    golden.write_text(right)
    stage.serval("push", str(folder), "--wait")
    tensor = {"name": "body", "datatype": "BYTES", "shape": [2]}
    data = [
        json.dumps({"inputs": title, "parameters": {"top_k": 1}}) for title in ("mobby", "drak")
    ]
    reply = client.post("v2/models/fleet-shelf/infer", json={"inputs": [tensor | {"data": data}]})
    assert reply.status_code == 200, reply.text
    output, _ = reply.json()["outputs"]
    labels = [json.loads(answer)[0]["label"] for answer in output["data"]]
    assert labels == ["Moby Dick", "Dracula"]
    own = client.post("models/fleet-shelf", json={"inputs": "frankenstain"})
    assert own.status_code == 200, own.text
    assert own.headers["content-type"] == "application/json"
    assert own.json()[0]["label"] == "Frankenstein"


def test_a_pipeline_asks_handlers_on_lambda_and_on_a_fleet(
    stage: LocalStage, client: httpx.Client, tmp_path: Path
) -> None:
    answer = {"here": "Moby Dick", "there": 1, "did": "well"}
    line = {"request": {"inputs": {"title": "mobby dik"}}, "answer": answer}
    (tmp_path / "pipeline.yaml").write_text(FINDER)
    (tmp_path / "golden.jsonl").write_text(json.dumps(line))
    stage.serval("push", str(tmp_path), "--wait")
    [note] = stage.registry().version("finder", "1").measurements["notes"]
    assert note.startswith("golden requests were not asked: a step asks model 'shelf' version 1")
    reply = client.post("models/finder", json={"inputs": {"title": "mobby dik"}})
    assert reply.status_code == 200, reply.text
    assert reply.json() == answer


def test_no_handler_may_read_what_is_not_its_own(stage: LocalStage) -> None:
    def read_report() -> Any:
        return json.loads(stage.serval("local", "permissions", "--json"))

    def reads(report: Any) -> set[str]:
        return {
            grant["resource"].rpartition(":")[2]
            for grants in report["roles"].values()
            for grant in grants["used"]
            if grant["action"] == "ssm:GetParameters"
        }

    own = {f"parameter/serval/local/{model}/*" for model in ("fleet-shelf", "unruly")}
    report = await_that(read_report, lambda report: len(reads(report)) >= len(own))
    assert reads(report) == own
    assert [each for each in report["refused"] if each["action"].startswith("ssm:")] == []


def test_a_batch_job_is_answered_by_the_handlers_own_function(
    stage: LocalStage, client: httpx.Client
) -> None:
    titles = ["mobby dik", "dracula", "frankenstain"] * 20
    bodies = [json.dumps({"inputs": title, "parameters": {"top_k": 1}}) for title in titles]
    rows = "".join(json.dumps({"body": body}) + "\n" for body in [*bodies, "{}"])
    caller = BatchCaller(stage, client)
    address = caller.put("batch/shelf/titles.jsonl", rows.encode())
    job = caller.ended(caller.start("shelf", address, max_rejected_percent=10))
    assert (job["status"], job["rows"], job["rejected"]) == ("succeeded", 60, 1), job
    output = caller.output(job, "output.jsonl").splitlines()
    answers = [json.loads(json.loads(line)["answer"])[0]["label"] for line in output]
    assert answers == ["Moby Dick", "Dracula", "Frankenstein"] * 20


def test_a_prefix_of_files_is_answered_on_a_fleet_one_body_each(
    stage: LocalStage, client: httpx.Client
) -> None:
    caller = BatchCaller(stage, client)
    for title in ("mobby dik", "dracula"):
        body = json.dumps({"inputs": title, "parameters": {"top_k": 1}}).encode()
        caller.put(f"batch/fleet-shelf/titles/{title}.pdf", body)
    address = f"s3://{stage.data_bucket}/batch/fleet-shelf/titles/"
    job = caller.succeeded(caller.start("fleet-shelf", address))
    output = caller.output(job, "output.jsonl").splitlines()
    answers = [json.loads(json.loads(line)["answer"])[0]["label"] for line in output]
    assert (job["rows"], answers) == (2, ["Dracula", "Moby Dick"])
