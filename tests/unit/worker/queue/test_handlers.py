"""A handler beside another model on a worker: real processes that crash, hang and eat memory."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from serval.handlers.declaration import MIB, HandlerLimits
from serval.handlers.model import HandlerModel
from serval.handlers.opening import HandlerOpening
from serval.models.version import Form, ModelVersion
from tests.fakes.secrets import InMemorySecrets
from tests.fakes.worker import Registry, World, row_of

CODE = b"""
import os, time

class EndpointHandler:
    def __init__(self, path=""):
        self.leak = []

    def __call__(self, data):
        if data == "crash":
            os.kill(os.getpid(), 11)
        while data == "hang":
            time.sleep(60)
        while data == "eat":
            self.leak.append(bytearray(b"x") * 2**20)
        if data == "exit":
            os._exit(0)
        return {"well": data}
"""
BAD = {
    "crash": "was ended by SIGSEGV",
    "hang": "had no answer within 0.5 s, and was ended",
    "eat": "MiB of memory, and was ended",
    "exit": "ended by itself with status 0",
}


@dataclass
class HandlerWorld(World):
    """A world whose model ``textgen`` is a handler."""

    def open_model(self, record: ModelVersion, path: Path, form: Form | None) -> Any:
        if path.name != "handler.py":
            return super().open_model(record, path, form)
        limits = HandlerLimits(160 * MIB, 20, 0.5, MIB)
        opening = HandlerOpening(lambda lock: (), self.log.append, InMemorySecrets(), limits)
        return opening.open(record, path)


@pytest.fixture
def world(tmp_path: Path) -> HandlerWorld:
    made = HandlerWorld(tmp_path, registry=Registry())
    made.registry.add("resnet", "1", 1.0)
    made.registry.publish_handler("textgen", CODE, bundle={"batching": {"max_wait_ms": 0}})
    return made


def body_of(*words: str) -> bytes:
    data = [json.dumps(word) for word in words]
    tensor = {"name": "body", "datatype": "BYTES", "shape": [len(words)], "data": data}
    return json.dumps({"inputs": [tensor]}).encode()


def test_an_async_request_is_answered_by_the_handlers_process(world: HandlerWorld) -> None:
    world.submit("one", payload=body_of("a", "b"))
    worker = world.worker()
    worker.work()
    assert world.result("one") == ['{"well": "a"}', '{"well": "b"}']


@pytest.mark.parametrize("bad", sorted(BAD))
def test_a_handler_that_fails_takes_nothing_of_another_model_with_it(
    world: HandlerWorld, bad: str
) -> None:
    worker = world.worker()
    for n in range(3):
        world.submit(f"r{n}", model="resnet", payload=row_of(1.0))
    world.submit("good", payload=body_of("a"))
    world.submit("bad", payload=body_of(bad))
    world.submit("late", payload=body_of("b"))
    worker.work()
    assert [world.result(f"r{n}") for n in range(3)] == [[2.0, 1.0]] * 3
    assert [world.row(f"r{n}").attempts for n in range(3)] == [1, 1, 1]
    assert world.result("good") == ['{"well": "a"}']
    assert world.result("late") == ['{"well": "b"}']
    row = world.row("bad")
    assert (row.status, row.attempts, row.alone) == ("queued", 1, True)
    assert BAD[bad] in (row.error or "")


def test_a_stopping_worker_ends_the_call_of_a_handler(world: HandlerWorld) -> None:
    world.submit("one", payload=body_of("a"))
    worker = world.worker()
    worker.work()
    loaded = worker.worker.runner.memory.loaded.find_loaded("textgen", "1")
    assert loaded is not None
    assert isinstance(loaded.model, HandlerModel)
    loaded.model.interrupt()
    world.submit("two", payload=body_of("a"))
    worker.work()
    assert "the run was interrupted" in (world.row("two").error or "")
