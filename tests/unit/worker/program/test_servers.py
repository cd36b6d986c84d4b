"""Rollouts of models behind inference servers: who answers is counted from the answers."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from serval.errors import ArtifactUnavailable
from serval.handlers.signature import HANDLER_SIGNATURE
from serval.models.route import Route
from serval.worker.program.candidate_check import CandidateCheck
from serval.worker.program.faults import VersionNotHeld
from serval.worker.program.servers import Servers
from tests.fakes.emulator import first_of_free_ports
from tests.fakes.http_servers import running
from tests.fakes.versioned_servers import Files, ManyVersions, processes, publish, worker_beside
from tests.fakes.worker import Stepped, World

pytestmark = pytest.mark.slow

MANY: dict[str, Any] = {"kind": "http", "protocol": "v2", "server": "triton"}
ONE: dict[str, Any] = {"kind": "http", "protocol": "openai", "server": "lmi"}
GOLDEN = json.dumps(
    {
        "request": {
            "inputs": [{"name": "prompt", "datatype": "BYTES", "shape": [1], "data": ["hi"]}]
        },
        "response": {
            "outputs": [{"name": "text", "datatype": "BYTES", "shape": [1], "data": ["good"]}]
        },
    }
).encode()
BODY = json.dumps(
    {"inputs": [{"name": "prompt", "datatype": "BYTES", "shape": [1], "data": ["hi"]}]}
).encode()
REQUESTS = 100


@pytest.fixture
def files(world: World) -> Files:
    return Files(world, GOLDEN)


@pytest.fixture
def triton(tmp_path: Path) -> Iterator[tuple[ManyVersions, int]]:
    server = ManyVersions(tmp_path / "models")
    with running(server.app()) as port:
        yield server, port


@pytest.fixture
def one(tmp_path: Path) -> Iterator[int]:
    folder = tmp_path / "models"
    folder.mkdir()
    with processes(folder):
        yield first_of_free_ports()


def route(
    world: World, stable: str, candidate: str | None = None, percent: int = 0, revision: int = 2
) -> None:
    """Set the route, as every worker knows it a little later."""
    world.registry.routes["textgen"] = Route(stable, candidate, percent, "rollout", revision)
    world.clock.pass_seconds(6)


def ask(world: World, worker: Stepped, count: int = REQUESTS, **members: Any) -> Counter[str]:
    """Ask; count the answers, each of which has to come from the version that its row names."""
    ids = [f"r{len(world.store.rows) + number}" for number in range(count)]
    for request_id in ids:
        world.submit(request_id, payload=BODY, **members)
    worker.work()
    answers = [world.result(request_id)[0] for request_id in ids]
    rows = [world.row(request_id).version for request_id in ids]
    texts = dict(zip(rows, answers, strict=True))
    assert all(texts[row] == answer for row, answer in zip(rows, answers, strict=True))
    return Counter(answers)


def test_the_shares_of_a_rollout_on_a_server_of_many_versions_are_those_of_the_answers(
    world: World, tmp_path: Path, files: Files, triton: tuple[ManyVersions, int]
) -> None:
    server, port = triton
    for version in ("1", "2"):
        publish(world, version, f"text {version}", MANY | {"port": port})
    worker = worker_beside(world, tmp_path / "models", files)
    old, new = "text 1 of textgen-1", "text 2 of textgen-2"
    route(world, "1")
    assert ask(world, worker) == {old: REQUESTS}
    shares = []
    for percent in (10, 50):
        route(world, "1", "2", percent)
        shares.append(ask(world, worker)[new])
    assert 2 <= shares[0] <= 25 < shares[1] <= 70
    assert set(server.loaded) == {"textgen-1", "textgen-2"}
    route(world, "1")
    assert ask(world, worker) == {old: REQUESTS}
    assert set(server.loaded) == {"textgen-1"}
    route(world, "2")
    assert ask(world, worker) == {new: REQUESTS}
    assert set(server.loaded) == {"textgen-2"}
    assert server.told == [
        "load textgen-1", "load textgen-2", "unload textgen-2", "unload textgen-1",
        "load textgen-2",
    ]  # fmt: skip


def test_a_server_that_has_lost_a_version_is_told_to_load_it_again(
    world: World, tmp_path: Path, files: Files, triton: tuple[ManyVersions, int]
) -> None:
    server, port = triton
    publish(world, "1", "text", MANY | {"port": port})
    worker = worker_beside(world, tmp_path / "models", files)
    ask(world, worker, 1)
    server.loaded.clear()
    world.submit("lost", payload=BODY)
    worker.work()
    assert world.row("lost").status == "queued", "it is tried again"
    world.clock.pass_seconds(60)
    worker.work()
    assert world.result("lost") == ["text of textgen-1"]


@pytest.mark.slow
def test_the_shares_of_a_rollout_are_those_of_two_processes_where_both_fit(
    world: World, tmp_path: Path, files: Files, one: int
) -> None:
    files.golden = GOLDEN
    for version, text in (("1", "old"), ("2", "good")):
        publish(world, version, text, ONE | {"port": one, "processes": 2}, golden="golden.jsonl")
    worker = worker_beside(world, tmp_path / "models", files)
    route(world, "1")
    assert ask(world, worker) == {"old": REQUESTS}
    shares = []
    for percent in (10, 50):
        route(world, "1", "2", percent)
        shares.append(ask(world, worker)["good"])
    assert 2 <= shares[0] <= 25 < shares[1] <= 70
    route(world, "1")
    assert ask(world, worker) == {"old": REQUESTS}
    route(world, "2")
    assert ask(world, worker) == {"good": REQUESTS}


@pytest.mark.slow
def test_where_one_process_fits_the_new_version_takes_its_place_all_at_once_and_gives_it_back(
    world: World, tmp_path: Path, files: Files, one: int
) -> None:
    for version, text in (("1", "old"), ("2", "good")):
        publish(world, version, text, ONE | {"port": one}, golden="golden.jsonl")
    worker = worker_beside(world, tmp_path / "models", files)
    route(world, "1")
    assert ask(world, worker) == {"old": REQUESTS}
    route(world, "1", "2", 50)
    assert ask(world, worker) == {"old": REQUESTS}, "it has no process beside the stable one's"
    route(world, "1", "2", 100)
    assert ask(world, worker) == {"good": REQUESTS}
    route(world, "1")
    assert ask(world, worker) == {"old": REQUESTS}
    route(world, "2")
    assert ask(world, worker) == {"good": REQUESTS}


@pytest.mark.slow
@pytest.mark.parametrize("text", ["bad", "no model"])
def test_a_candidate_that_fails_its_golden_requests_or_does_not_start_answers_nobody(
    world: World, tmp_path: Path, files: Files, one: int, text: str, monkeypatch: Any
) -> None:
    monkeypatch.setattr("tests.fakes.versioned_servers.READY_SECONDS", 3.0)
    for version, own in (("1", "old"), ("2", text)):
        publish(world, version, own, ONE | {"port": one}, golden="golden.jsonl")
    worker = worker_beside(world, tmp_path / "models", files)
    route(world, "1")
    ask(world, worker, 1)
    route(world, "1", "2", 100)
    assert ask(world, worker, 20) == {"old": 20}
    worker.worker.counts.flush()
    errors = [found["Errors"] for found in world.metrics() if found["Track"] == "candidate"]
    assert sum(errors) == 20
    assert any("fails its golden requests" in line for line in world.log) == (text == "bad")


@pytest.mark.parametrize(("text", "status"), [("good", "succeeded"), ("bad", "failed")])
def test_a_first_version_answers_its_golden_requests_before_anybody_s(
    world: World,
    tmp_path: Path,
    files: Files,
    triton: tuple[ManyVersions, int],
    text: str,
    status: str,
) -> None:
    server, port = triton
    files.golden = GOLDEN.replace(b"good", b"good of textgen-1")
    publish(world, "1", text, MANY | {"port": port}, golden="golden.jsonl")
    worker = worker_beside(world, tmp_path / "models", files)
    route(world, "1", revision=1)
    for request in ("one", "other"):
        world.submit(request, payload=BODY, max_attempts=1)
        worker.work()
        row = world.row(request)
        assert row.status == status
        assert ("it fails its golden requests" in str(row.error)) == (status == "failed")
    assert server.told.count("load textgen-1") == 1, "it is not asked them twice"
    world.registry.routes["textgen"] = Route("1", rollout="by-hand:2", revision=2)
    world.clock.pass_seconds(6)
    assert ask(world, worker, 1) == {f"{text} of textgen-1": 1}, "somebody insists"


@pytest.mark.slow
def test_a_version_outside_the_route_is_refused_and_one_that_has_no_turn_waits(
    world: World, tmp_path: Path, files: Files, one: int
) -> None:
    for version in ("1", "2", "3"):
        publish(world, version, version, ONE | {"port": one})
    worker = worker_beside(world, tmp_path / "models", files)
    route(world, "2", "3", 100)
    world.submit("outside", payload=BODY, wanted="1")
    world.submit("waits", payload=BODY, wanted="2")
    worker.work()
    assert "'1' given, 2 or 3: the inference server of 'textgen' holds no other" in str(
        world.row("outside").error
    )
    assert world.row("waits").status == "queued"
    route(world, "2")
    worker.work()
    assert world.result("waits") == ["2"]


@pytest.mark.parametrize(("version", "awaited"), [("2", True), ("1", False)])
def test_who_asks_for_what_is_not_held_learns_whether_it_may_have_its_turn_later(
    world: World, files: Files, version: str, awaited: bool
) -> None:
    publish(world, version, "old", ONE | {"port": 1})
    rolling = Route("2", "3", 100, "rollout", 2)
    servers = Servers(lambda model: rolling, files, CandidateCheck(files).check)
    with pytest.raises(ArtifactUnavailable, match="holds version 3 now") as found:
        servers.open(world.registry.records["textgen", version])
    assert isinstance(found.value.__cause__, VersionNotHeld)
    assert found.value.__cause__.awaited == awaited


@pytest.mark.slow
def test_a_server_that_ends_is_started_again_and_waited_for(
    world: World, tmp_path: Path, files: Files, one: int
) -> None:
    publish(world, "1", "old", ONE | {"port": one})
    worker = worker_beside(world, tmp_path / "models", files)
    ask(world, worker, 1)
    ending = BODY.replace(b"hi", b"end")
    world.submit("ends", payload=ending, max_attempts=1)
    world.submit("next", payload=BODY)
    worker.work()
    assert world.row("ends").attempts == 1
    # What reaches a server while it ends is tried again.
    world.submit("after", payload=BODY)
    for _ in range(2):
        world.clock.pass_seconds(60)
        worker.work()
    assert [world.result(each) for each in ("next", "after")] == [["old"]] * 2


@pytest.mark.slow
def test_a_container_takes_any_body_through_the_queue_and_answers_with_its_own(
    world: World, tmp_path: Path, files: Files, one: int
) -> None:
    runtime = {"kind": "container", "image": "m", "protocol": "http", "path": "/predictions"}
    publish(world, "1", "boxed", runtime | {"port": one, "command": "c"})
    record = world.registry.records["textgen", "1"]
    world.registry.records["textgen", "1"] = replace(record, signature=HANDLER_SIGNATURE)
    worker = worker_beside(world, tmp_path / "models", files)
    values = {"body": "any body", "content_type": "text/x"}
    inputs = [
        {"name": name, "datatype": "BYTES", "shape": [1], "data": [value]}
        for name, value in values.items()
    ]
    world.submit("r", payload=json.dumps({"inputs": inputs}).encode())
    worker.work()
    assert json.loads(world.result("r")[0]) == {
        "text": "boxed", "body": "any body", "type": "text/x", "at": "/predictions"
    }  # fmt: skip
