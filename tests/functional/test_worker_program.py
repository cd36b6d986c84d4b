"""The worker as it is started: real processes over an emulator's queues, tables and buckets."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import pytest
from onnx import TensorProto, helper

from serval.aws.sqs.queues import QueueCounts
from serval.handlers.signature import HANDLER_SIGNATURE
from serval.models.route import Route
from serval.models.signature import Signature, TensorSpec
from serval.requests.request import AsyncRequest
from serval.tasks.openai.call import OpenAICall
from serval.worker.shards.line import ChannelMessage
from serval.worker.shards.process import ShardChild
from tests.fakes import http_servers
from tests.fakes.emulator import any_port
from tests.fakes.inference import graph, plus
from tests.fakes.versioned_servers import processes
from tests.fakes.worker import row_of
from tests.fakes.worker_stage import (
    FLEET,
    MAIN,
    WAIT_SECONDS,
    WorkerStage,
    await_that,
    worker_stage,
)

pytestmark = pytest.mark.slow

COMPLETIONS_SIGNATURE = Signature(
    (TensorSpec("prompt", "BYTES", (-1,)),), (TensorSpec("text", "BYTES", (-1,)),)
)
EMPTY = QueueCounts(visible=0, in_flight=0, dead=0)
SLOW_LOOPS = 1500
"""Turns of the slow model's loop: half a second and more on one thread."""


def slow() -> bytes:
    """Give a model that adds 1 to ``x`` and takes its time; its run can be interrupted."""
    value = helper.make_tensor_value_info
    square = ("s", TensorProto.FLOAT, [192, 192])
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["condition"], ["go_on"]),
            helper.make_node("MatMul", ["state", "state"], ["next"]),
        ],
        "body",
        [
            value("turn", TensorProto.INT64, []),
            value("condition", TensorProto.BOOL, []),
            value("state", *square[1:]),
        ],
        [value("go_on", TensorProto.BOOL, []), value("next", *square[1:])],
    )
    tensor = helper.make_tensor
    return graph(
        [("x", TensorProto.FLOAT, ["rows", 2])],
        [("y", TensorProto.FLOAT, ["rows", 2])],
        [
            helper.make_node("ConstantOfShape", ["extents"], ["zeros"]),
            helper.make_node("Loop", ["turns", "yes", "zeros"], ["last"], body=body),
            helper.make_node("ReduceSum", ["last"], ["nothing"], keepdims=0),
            helper.make_node("Add", ["x", "nothing"], ["same"]),
            helper.make_node("Add", ["same", "one"], ["y"]),
        ],
        [
            tensor("extents", TensorProto.INT64, [2], [192, 192]),
            tensor("turns", TensorProto.INT64, [], [SLOW_LOOPS]),
            tensor("yes", TensorProto.BOOL, [], [True]),
            tensor("one", TensorProto.FLOAT, [1], [1.0]),
        ],
    )


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerStage]:
    folder = tmp_path_factory.mktemp("worker")
    with worker_stage(folder, "one", "ten", "slow", "served", "boxed", "told") as made:
        made.publish("one", "1", plus(1))
        made.publish("ten", "1", plus(10))
        made.publish("slow", "1", slow(), {"batching": {"max_batch_size": 2}})
        yield made


@pytest.fixture
def alone(stage: WorkerStage) -> Iterator[WorkerStage]:
    """Give the stage without any worker, before and after."""
    yield stage
    stage.stop()


def result(stage: WorkerStage, request_id: str) -> list[float]:
    row = find(stage, request_id)
    assert row.status == "succeeded", row.error
    assert row.response_key is not None
    body = stage.data.get(row.response_key)
    assert body is not None
    return list(json.loads(body)["outputs"][0]["data"])


def find(stage: WorkerStage, request_id: str) -> AsyncRequest:
    row = stage.store.find(request_id)
    assert row is not None
    return row


def running(stage: WorkerStage, ids: Sequence[str]) -> list[str]:
    return [one for one, row in stage.store.find_all(ids).items() if row.status == "running"]


def test_requests_are_answered_and_a_worker_that_is_told_to_go_goes(alone: WorkerStage) -> None:
    worker = alone.start(WORKER_ID="w1")
    ids = [f"r{number}" for number in range(40)]
    for number, request_id in enumerate(ids):
        alone.submit(request_id, ("one", "ten")[number % 2], row_of(float(number)))
    alone.await_closed(ids)
    for number, request_id in enumerate(ids):
        assert result(alone, request_id)[0] == number + (1, 10)[number % 2]
    await_that(
        lambda: [w.completed for w in alone.states.workers(FLEET)] == [40], "the worker's report"
    )
    [said] = alone.states.workers(FLEET)
    assert (said.worker, said.accelerator) == ("w1", "CPU (stands in for nvidia)")
    assert said.loaded == ("one:1", "ten:1")
    await_that(lambda: alone.queues.counts("one") == EMPTY, "messages to be deleted")
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(WAIT_SECONDS) == 0
    assert alone.states.workers(FLEET) == []


def test_a_worker_that_is_killed_loses_nothing(alone: WorkerStage) -> None:
    ids = [f"killed-{number}" for number in range(6)]
    for request_id in ids:
        alone.submit(request_id, "slow", row_of(1.0))
    worker = alone.start(WORKER_ID="killed")
    await_that(lambda: bool(running(alone, ids)), "a run to begin")
    worker.kill()
    lost = running(alone, ids)
    alone.start(WORKER_ID="another")
    alone.await_closed(ids)
    assert [result(alone, request_id) for request_id in ids] == [[2.0, 1.0]] * len(ids)
    assert {find(alone, request_id).attempts for request_id in lost} == {2}
    await_that(lambda: alone.queues.counts("slow") == EMPTY, "messages to be deleted")


def test_a_worker_that_is_reclaimed_gives_back_what_it_runs_uncharged(alone: WorkerStage) -> None:
    ids = [f"reclaimed-{number}" for number in range(6)]
    for request_id in ids:
        alone.submit(request_id, "slow", row_of(1.0))
    for _ in range(3):
        worker = alone.start(STOP_SECONDS="1")
        await_that(lambda: bool(running(alone, ids)) or not still_open(alone, ids), "a run")
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(WAIT_SECONDS) == 0
        assert running(alone, ids) == []
    alone.start()
    alone.await_closed(ids)
    assert [find(alone, request_id).attempts for request_id in ids] == [1] * len(ids)


def still_open(stage: WorkerStage, ids: Sequence[str]) -> bool:
    return any(row.open for row in stage.store.find_all(ids).values())


def test_the_server_answers_as_sagemaker_wants_with_artifacts_alone(alone: WorkerStage) -> None:
    envelope = {"m": "ten", "v": "1", "h": None, "a": "models/ten/1/"}
    with alone.serving(REGISTRY_TABLE="") as url, httpx.Client(trust_env=False) as client:
        headers = {"X-Amzn-SageMaker-Custom-Attributes": json.dumps(envelope)}
        answer = client.post(f"{url}/invocations", content=row_of(1.0), headers=headers)
        assert answer.json()["outputs"][0]["data"] == [11.0, 10.0]
        unknown = json.dumps(envelope | {"v": "9", "a": "models/ten/9/"})
        headers = {"X-Amzn-SageMaker-Custom-Attributes": unknown}
        refused = client.post(f"{url}/invocations", content=row_of(1.0), headers=headers)
        assert (refused.status_code, "has no version '9'" in refused.text) == (404, True)
        routed = client.post(f"{url}/v2/models/ten/infer", content=row_of(1.0))
        assert (routed.status_code, "versions/<version>" in routed.text) == (400, True)


def test_a_model_that_an_inference_server_runs_is_answered_by_it(alone: WorkerStage) -> None:
    with alone.serving() as url:
        port = int(url.rpartition(":")[2])
        runtime = {"kind": "http", "protocol": "v2", "port": port, "model": "ten"}
        alone.publish("served", "1", plus(1), {"runtime": runtime}, runtime="http")
        alone.start()
        ids = [f"served-{number}" for number in range(5)]
        for request_id in ids:
            alone.submit(request_id, "served", row_of(1.0))
        alone.await_closed(ids)
        assert [result(alone, request_id) for request_id in ids] == [[11.0, 10.0]] * len(ids)


def test_a_servers_text_goes_on_when_its_worker_is_killed_in_the_middle(
    alone: WorkerStage,
) -> None:
    """A server that writes for both workers stands for one on each machine."""
    held = threading.Event()
    server = http_servers.CompletionsServer(hold=held)
    with http_servers.running(server.app()) as port:
        runtime = {"kind": "http", "protocol": "openai", "port": port, "model": "gpt"}
        alone.publish("told", "1", b"", {"runtime": runtime}, "http", COMPLETIONS_SIGNATURE)
        killed = alone.start()
        body = {"messages": [{"role": "user", "content": "a text of some length"}]}
        call = OpenAICall("chat/completions", "told", "c", 0, body)
        element = {"name": "openai", "datatype": "BYTES", "shape": [1]}
        given = json.dumps({"inputs": [element | {"data": [call.to_element().decode()]}]})
        alone.submit("told-1", "told", given.encode(), stream=True)
        await_that(lambda: alone.log.read("told-1", 0), "the first pieces")
        killed.kill()
        killed.wait(WAIT_SECONDS)
        alone.start()
        await_that(lambda: len(server.asked) == 2, "another worker")
        held.set()
        alone.await_closed(["told-1"])
    pieces = [piece for chunk in alone.log.read("told-1", 0) for piece in chunk.pieces]
    assert "".join(piece.text for piece in pieces) == "a text of some length"[::-1]
    assert [piece.number for piece in pieces] == list(range(1, len(pieces) + 1))
    assert server.asked[0]["seed"] == server.asked[1]["seed"]
    assert find(alone, "told-1").status == "succeeded"


def test_a_container_answers_any_body_and_is_restarted_with_what_was_promoted(
    alone: WorkerStage, tmp_path: Path
) -> None:
    runtime = {"kind": "container", "image": "m", "protocol": "http", "port": any_port()}
    runtime |= {"command": "run", "path": "/any"}
    body = {"name": "body", "datatype": "BYTES", "shape": [1], "data": ["any body"]}
    asked: list[str] = []

    def ask() -> str:
        asked.append(f"boxed-{len(asked)}")
        alone.submit(asked[-1], "boxed", json.dumps({"inputs": [body]}).encode())
        alone.await_closed(asked[-1:])
        row = find(alone, asked[-1])
        assert (row.status, row.response_key is None) == ("succeeded", False), row.error
        [answer, _] = json.loads(alone.data.get(row.response_key or "") or b"")["outputs"]
        said = json.loads(answer["data"][0])
        assert (said["body"], said["at"]) == ("any body", "/any")
        assert said["text"] == texts[row.version or ""], "another version has answered"
        return row.version or ""

    texts = {str(number): plus(number).decode("latin-1") for number in (1, 2)}
    with processes(tmp_path):
        for version, text in texts.items():
            alone.publish(
                "boxed", version, text.encode("latin-1"), {"runtime": runtime}, "container",
                HANDLER_SIGNATURE,
            )  # fmt: skip
        alone.start(SERVER_FOLDER=str(tmp_path))
        assert ask() == "1"
        assert alone.emulator.registry.set_route("boxed", Route("2", revision=1), 0)
        await_that(lambda: ask() == "2", "the promoted version to answer")


def test_the_shard_process_asks_aws_and_tells_what_became_of_a_shard(
    stage: WorkerStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in stage.environment(JOBS_TABLE="jobs").items():
        monkeypatch.setenv(name, value)
    child = ShardChild.start()
    try:
        body = {"shard": {"job": "j"}, "model": "one", "task_token": "nobody waits for it"}
        for _ in range(2):
            child.channel.send(ChannelMessage({"shard": body}))
            assert child.channel.receive().head == {"ended": "stale"}
    finally:
        child.process.kill()
        child.end()


def test_what_is_neither_work_nor_serve_is_refused(stage: WorkerStage) -> None:
    run = subprocess.run(
        [sys.executable, str(MAIN), "play"],
        env=stage.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 2
    assert run.stderr == "main.py: ['play'] given, 'work' or 'serve' expected\n"
