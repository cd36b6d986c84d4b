"""The worker as it is started: real processes over an emulator's queues, tables and buckets."""

import json
import signal
import time
from collections.abc import Iterator

import pytest

from serval.aws.queues import QueueCounts
from tests.fakes.inference import plus
from tests.fakes.worker import row_of
from tests.fakes.worker_stage import FLEET, STOP_SECONDS, WorkerStage, await_that, worker_stage


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerStage]:
    with worker_stage(tmp_path_factory.mktemp("worker"), "one", "ten") as made:
        made.publish("one", "1", plus(1))
        made.publish("ten", "1", plus(10))
        yield made


def result(stage: WorkerStage, request_id: str) -> list[float]:
    row = stage.store.find(request_id)
    assert row is not None
    assert row.status == "succeeded", row.error
    assert row.response_key is not None
    body = stage.data.get(row.response_key)
    assert body is not None
    return list(json.loads(body)["outputs"][0]["data"])


def test_requests_are_answered_and_a_worker_that_is_told_to_go_goes(stage: WorkerStage) -> None:
    worker = stage.start(WORKER_ID="w1")
    ids = [f"r{number}" for number in range(40)]
    for number, request_id in enumerate(ids):
        stage.submit(request_id, ("one", "ten")[number % 2], row_of(float(number)))
    stage.await_closed(ids)
    for number, request_id in enumerate(ids):
        assert result(stage, request_id)[0] == number + (1, 10)[number % 2]
    await_that(
        lambda: [w.completed for w in stage.states.workers(FLEET)] == [40], "the worker's report"
    )
    [said] = stage.states.workers(FLEET)
    assert (said.worker, said.accelerator) == ("w1", "CPU (stands in for nvidia)")
    assert said.loaded == ("one:1", "ten:1")
    empty = QueueCounts(visible=0, in_flight=0, dead=0)
    await_that(lambda: stage.queues.counts("one") == empty, "messages to be deleted")
    started = time.monotonic()
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(STOP_SECONDS) == 0
    assert time.monotonic() - started < STOP_SECONDS
    assert stage.states.workers(FLEET) == []
