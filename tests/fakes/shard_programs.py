"""Shard processes that meet every end: ``shard_programs.py NAME SOCKET``."""

import os
import signal
import socket
import sys
import threading
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from serval.batch.shard.tasks import ShardWaits, TaskOutcome
from serval.errors import InvalidInputs
from serval.inference.runtimes import RuntimeFailed
from serval.models.tensor import Tensor
from serval.worker.program.faults import Retries
from serval.worker.shards.line import Channel
from serval.worker.shards.models import RemoteModels, VersionUnavailable
from serval.worker.shards.program import ShardProgram, watch

stopping = threading.Event()


class Panic(BaseException):
    """What no ``except Exception`` sees."""


def work(body: Mapping[str, Any]) -> TaskOutcome:
    """Do what the shard says: some are deadly."""
    match body["shard"]:
        case "signal", int(number):
            os.kill(os.getpid(), number)
            signal.pause()
        case "panic":
            raise Panic
        case "garbage":
            line.socket.sendall(b"\xff" * 64)
            signal.pause()
        case "unanswered":
            raise TimeoutError
        case "wait":
            assert stopping.wait(60)
            return "given back"
        case "not held":
            with pytest.raises(ShardWaits):
                RemoteModels(line).load("adding", "2")
            with pytest.raises(VersionUnavailable, match="its server holds another"):
                RemoteModels(line).load("adding", "3")
        case "run", list(rows):
            run(np.array(rows, np.float32))
    return "done"


def run(rows: Any) -> None:
    loaded = RemoteModels(line).load("adding", "1")
    texts = np.array([[b"\x00", b"text"]] * len(rows), np.object_)
    inputs = [Tensor("x", "FP32", rows), Tensor("t", "BYTES", texts)]
    for _ in range(3):
        [found] = loaded.model.run(inputs, loaded.record.signature.outputs)
        assert (found.array == rows + 1).all(), found
    for raised, count in ((InvalidInputs, 0), (RuntimeFailed, 13)):
        with pytest.raises(raised):
            loaded.model.run([Tensor("x", "FP32", np.ones((count, 2)))], [])
    with pytest.raises(VersionUnavailable, match=r"^ModelVersionNotFound: model 'adding' has no"):
        RemoteModels(line).load("adding", "9")


if __name__ == "__main__":
    threading.Thread(target=watch, args=(sys.stdin.fileno(), stopping), daemon=True).start()
    line = Channel(socket.socket(fileno=int(sys.argv[1])))
    ShardProgram(line, work, Retries((TimeoutError,), stopping.wait, print)).run()
