"""Shards in a process of their own: real processes, and each of the ends that they meet."""

import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from serval.errors import ArtifactUnavailable, InvalidInputs, ModelVersionNotFound
from serval.inference.loaded import Loaded
from serval.inference.runtimes import RuntimeFailed
from serval.models.signature import Signature, TensorSpec
from serval.models.tensor import Tensor
from serval.processes import prefer_for_oom_kill
from serval.worker.program.faults import Retries, VersionNotHeld
from serval.worker.shards.process import ShardChild, ShardProcess
from tests.fakes.inbox import Unanswered
from tests.fakes.inference import version_record

pytestmark = pytest.mark.slow

PROGRAM = (sys.executable, str(Path(__file__).parents[3] / "fakes" / "shard_programs.py"))
Y = TensorSpec("y", "FP32", (-1, 2))
WAIT_SECONDS = 60.0


class Adding:
    """A model that adds 1, refuses no rows and fails at thirteen."""

    def run(self, inputs: Sequence[Tensor], outputs: Sequence[TensorSpec]) -> list[Tensor]:
        [array] = [tensor.array for tensor in inputs if tensor.name == "x"]
        if not len(array):
            raise InvalidInputs("no rows")
        if len(array) == 13:
            raise RuntimeFailed("thirteen")
        assert [spec.name for spec in outputs] == ["y"]
        return [Tensor("y", "FP32", array + 1)]


def load(model: str, version: str) -> Loaded:
    if version in ("2", "3"):
        cause = VersionNotHeld(awaited=version == "2")
        raise ArtifactUnavailable(model, version, "its server holds another") from cause
    if version != "1":
        raise ModelVersionNotFound(model, version)
    record = version_record(model, version, b"", Signature((), (Y,)))
    return Loaded(record, Adding(), {}, {"y": Y}, 0.0)


@dataclass
class Desk:
    """A worker's end."""

    lost: list[str] = field(default_factory=list)
    warned: list[str] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)
    started: list[ShardChild] = field(default_factory=list)
    kept: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    outage: bool = False

    def __post_init__(self) -> None:
        self.process = ShardProcess(
            lost=self,
            load=load,
            stopping=self.stopping.is_set,
            retries=Retries((Unanswered,), self.stopping.wait, self.warned.append),
            beat_seconds=0.01,
            start=self.start,
        )

    def start(self) -> ShardChild:
        self.started.append(ShardChild.start(PROGRAM))
        return self.started[-1]

    def give_up(self, body: Any, reason: str) -> None:
        self.lost.append(reason)

    def keep(self) -> None:
        self.kept.release()
        if self.outage:
            raise Unanswered("hide")

    def run(self, shard: Any) -> str:
        return self.process.run({"shard": shard, "model": "adding", "task_token": "t"}, self.keep)


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk()
    yield made
    for child in made.started:
        child.process.kill()
        child.end()


@pytest.mark.parametrize(
    ("shard", "reason"),
    [
        (["signal", signal.SIGKILL], "was ended by SIGKILL, as when memory runs out"),
        (["signal", signal.SIGSEGV], "was ended by SIGSEGV"),
        (["signal", signal.SIGABRT], "was ended by SIGABRT"),
        ("panic", "ended by itself with status 1"),
        ("garbage", "said what no process of Serval says, and was ended"),
    ],
    ids=str,
)
def test_a_shard_that_its_process_dies_of_is_given_up_with_its_reason(
    desk: Desk, shard: Any, reason: str
):
    assert desk.run(shard) == "done"
    assert desk.lost == [f"the process that worked on it {reason}"]
    assert desk.run("nothing") == "done"
    assert len(desk.lost) == 1
    assert len(desk.started) == 2


def test_one_process_works_on_one_shard_after_another(desk: Desk):
    assert [desk.run("nothing") for _ in range(3)] == ["done"] * 3
    assert len(desk.started) == 1


def test_models_run_in_the_worker_whatever_its_process_asks(desk: Desk):
    assert desk.run(["run", [[1.0, 2.0], [3.0, 4.0]]]) == "done"
    assert desk.lost == []


def test_a_version_that_a_server_does_not_hold_is_awaited_or_named(desk: Desk):
    assert desk.run("not held") == "done"
    assert desk.lost == []


def test_large_batches_pass_in_both_directions(desk: Desk):
    assert desk.run(["run", [[0.5, 0.25]] * 150_000]) == "done"
    assert desk.lost == []


def test_a_worker_that_is_being_stopped_has_its_shard_given_back(desk: Desk):
    desk.stopping.set()
    assert desk.run("wait") == "given back"


def test_a_shard_comes_again_when_aws_did_not_answer_its_process(desk: Desk):
    assert desk.run("unanswered") == "unanswered"
    assert desk.run("nothing") == "done"
    assert len(desk.started) == 1


@pytest.mark.parametrize("outage", [False, True])
def test_the_message_is_kept_while_its_process_works(desk: Desk, outage: bool):
    desk.outage = outage
    asked = threading.Thread(target=partial(desk.run, "wait"))
    asked.start()
    for _ in range(3):
        assert desk.kept.acquire(timeout=WAIT_SECONDS)
    desk.stopping.set()
    asked.join(WAIT_SECONDS)
    assert not asked.is_alive()
    assert bool(desk.warned) == outage


def test_the_process_ends_with_its_worker(desk: Desk):
    desk.run("nothing")
    [child] = desk.started
    assert child.process.stdin is not None
    child.process.stdin.close()
    assert child.process.wait(WAIT_SECONDS) == 1


def test_a_process_that_cannot_be_started_charges_nobody(desk: Desk):
    def fail() -> ShardChild:
        raise OSError("no memory")

    desk.process.start = fail
    assert desk.run("nothing") == "unanswered"
    assert desk.lost == []


def test_it_offers_itself_when_memory_runs_out(tmp_path: Path):
    (tmp_path / "score").write_text("0")
    prefer_for_oom_kill(tmp_path / "score")
    prefer_for_oom_kill(tmp_path / "nowhere" / "score")
    assert (tmp_path / "score").read_text() == "1000"
