"""The supervisor starts and stops workers as their fleets' rows say, and ends with the stage."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from serval.fleets.state import FleetState
from serval.models.deployed_fleets import DeployedFleet, Fleets
from serval_cli.local import fleet_workers
from serval_cli.local.fleets import supervisor as supervisor_module
from serval_cli.local.fleets.supervision import Supervision
from serval_cli.local.fleets.supervisor import Supervisor
from serval_cli.local.fleets.worker_metrics import Tail, WorkerMetrics
from serval_cli.local.processes.group import ProcessGroup
from serval_cli.local.state_folder import Record, StateFolder

pytestmark = pytest.mark.slow


@dataclass
class Rows:
    """Fleets' rows, of which only the machines are asked; None: nobody answers."""

    machines: dict[str, int] | None

    def find(self, fleet: str) -> FleetState:
        if self.machines is None:
            raise EndpointConnectionError(endpoint_url="http://127.0.0.1:1")
        return FleetState(fleet=fleet, machines=self.machines.get(fleet, 0))


class CloudWatch:
    def __init__(self) -> None:
        self.put: list[dict[str, Any]] = []

    def put_metric_data(self, **call: Any) -> None:
        self.put.append(call)


EMF = {
    "_aws": {
        "Timestamp": 2000,
        "CloudWatchMetrics": [
            {"Namespace": "Serval", "Dimensions": [["Model"]], "Metrics": [{"Name": "Requests"}]}
        ],
    },
    "Model": "textgen",
    "Requests": 3,
}
WORKER = f"""
import json, os, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print({json.dumps(json.dumps(EMF))}, flush=True)
print("worker", os.environ["FLEET"], os.environ["WORKER_ID"], flush=True)
print(os.environ.get("AWS_ACCESS_KEY_ID"), end=" ")
print(os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"], flush=True)
time.sleep(60)
"""
FLEETS = Fleets(
    {
        "gpu": DeployedFleet(name="gpu", maximum=4, models=("textgen",)),
        "kept": DeployedFleet(name="kept", minimum=1, models=("iris",)),
        "managed": DeployedFleet(name="managed", kind="sagemaker", models=("resnet",)),
    }
)


def supervision(folder: Path) -> Supervision:
    program = folder / "worker.py"
    program.write_text(WORKER)
    return Supervision(
        endpoint="http://127.0.0.1:1",
        registry_table="registry",
        fleets=FLEETS,
        command=(sys.executable, str(program)),
        environment={"PYTHONUNBUFFERED": "1", "AWS_ACCESS_KEY_ID": "the user's"},
        roles={"gpu": "role-of-gpu", "kept": "role-of-kept"},
        servers={"kept": {"command": "echo server $PORT of $MODEL_FOLDER; sleep 60", "port": 9100}},
        server_folders=folder / "servers",
        stop_seconds=10,
        logs=folder,
        status=folder / "workers.json",
    )


def eventually(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "not within 60 s"
        time.sleep(0.01)


@dataclass
class Running:
    """A supervisor at work in a thread."""

    supervisor: Supervisor
    rows: Rows
    cloudwatch: CloudWatch
    thread: threading.Thread

    def status(self) -> list[dict[str, Any]]:
        file = self.supervisor.told.status
        found: list[dict[str, Any]] = json.loads(file.read_text()) if file.exists() else []
        return found

    def workers(self) -> list[tuple[str, str]]:
        return [(one["worker"], one["state"]) for one in self.status()]


@pytest.fixture
def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    monkeypatch.setattr(supervisor_module, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(supervisor_module, "GONE_SECONDS", 0.2)
    rows, cloudwatch = Rows({}), CloudWatch()
    metrics: Any = WorkerMetrics(cloudwatch)  # type: ignore[arg-type]
    supervisor = Supervisor(supervision(tmp_path), rows, metrics, threading.Event())  # type: ignore[arg-type]
    thread = threading.Thread(target=supervisor.run)
    thread.start()
    yield Running(supervisor, rows, cloudwatch, thread)
    supervisor.ending.set()
    thread.join(20)
    assert not thread.is_alive()


def test_a_fleet_that_sleeps_has_the_machines_that_always_stay(running: Running) -> None:
    eventually(lambda: running.workers() == [("worker-kept-1", "running")])


def test_workers_follow_the_row_and_know_their_fleet(running: Running) -> None:
    running.rows.machines = {"gpu": 2, "managed": 1}
    everyone = [(f"worker-{name}", "running") for name in ("gpu-1", "gpu-2", "kept-1")]
    eventually(lambda: running.workers() == everyone)
    log = running.supervisor.told.logs / "worker-gpu-2.log"
    eventually(lambda: log.exists() and "worker gpu worker-gpu-2-" in log.read_text())
    running.rows.machines = {"gpu": 1}
    eventually(lambda: running.workers() == [everyone[0], everyone[2]])


def test_a_worker_has_the_credentials_of_its_fleets_role_and_not_the_users(
    running: Running,
) -> None:
    log = running.supervisor.told.logs / "worker-kept-1.log"
    asked = "None http://127.0.0.1:1/v2/credentials/role-of-kept"
    eventually(lambda: log.exists() and asked in log.read_text())


def test_a_worker_that_is_killed_is_back_soon(running: Running) -> None:
    eventually(lambda: running.workers() == [("worker-kept-1", "running")])
    killed = running.status()[0]["pid"]
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: running.status()[0]["pid"] not in (None, killed))
    assert running.status()[0]["crashes"] == 1


def test_metrics_that_workers_print_are_handed_to_cloudwatch(running: Running) -> None:
    eventually(lambda: running.cloudwatch.put)
    (call,) = running.cloudwatch.put
    assert call["Namespace"] == "Serval"
    (datum,) = call["MetricData"]
    assert datum["MetricName"] == "Requests"
    assert datum["Dimensions"] == [{"Name": "Model", "Value": "textgen"}]
    assert datum["Timestamp"].timestamp() == 2
    assert (datum["Values"], datum["Counts"]) == ([3.0], [1.0])


def test_workers_stay_through_a_pause_of_the_emulator_and_go_when_it_is_gone(
    running: Running,
) -> None:
    eventually(lambda: running.workers() == [("worker-kept-1", "running")])
    pid = running.status()[0]["pid"]
    running.rows.machines = None
    running.thread.join(20)
    assert not running.thread.is_alive()
    assert running.status() == []
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_values_beyond_what_a_call_takes_go_in_parts() -> None:
    cloudwatch = CloudWatch()
    metrics: Any = WorkerMetrics(cloudwatch)  # type: ignore[arg-type]
    lines = json.dumps(EMF | {"Requests": list(range(400))}) + "\n"
    metrics.tails[Path("log")] = type("Written", (), {"read": staticmethod(lambda: lines)})
    metrics.send()
    ((call),) = cloudwatch.put
    assert [len(datum["Values"]) for datum in call["MetricData"]] == [150, 150, 100]


def test_a_tail_gives_whole_lines_that_are_added_from_now_on(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert Tail(log).read() == ""
    log.write_text("before\n")
    tail = Tail(log)
    with log.open("a") as file:
        file.write("one\ntw")
        file.flush()
        assert tail.read() == "one\n"
        file.write("o\n")
    assert tail.read() == "two\n"
    assert tail.read() == ""


def test_what_a_supervisor_is_told_reads_back(tmp_path: Path) -> None:
    assert Supervision.from_json(supervision(tmp_path).to_json()) == supervision(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL])
def test_workers_end_with_the_group_whatever_became_of_their_supervisor(
    tmp_path: Path, ending: signal.Signals
) -> None:
    """As a program of its own, with rows that nobody answers for: it keeps what it has.

    Two workers, and the server beside one of them, whose script runs programs of its own.
    """
    process = subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, supervision(tmp_path).to_json()],
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    group = ProcessGroup.of(fleet_workers.NAME, process.pid)
    with process:
        eventually(lambda: len(group.members()) >= 4)
        if ending is signal.SIGKILL:
            process.kill()
            process.wait()
            assert len(group.members()) >= 3
        group.end()
    assert group.members() == []


SUPERVISOR = """
import signal, sys, threading
from serval.fleets.state import FleetState
from serval_cli.local.fleets.supervision import Supervision
from serval_cli.local.fleets.supervisor import Supervisor

class Rows:
    def find(self, fleet):
        return FleetState(fleet=fleet, machines=1)

class NoMetrics:
    def follow(self, log):
        pass

    def hand_on(self):
        pass

ending = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: ending.set())
Supervisor(Supervision.from_json(sys.argv[1]), Rows(), NoMetrics(), ending).run()
"""


def test_status_tells_of_workers_only_while_somebody_supervises_them(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path)
    alive = ProcessGroup.of(fleet_workers.NAME, os.getpid())
    record = Record("http://127.0.0.1:1", (alive,))
    assert fleet_workers.list_workers(folder, record) == []
    folder.workers.write_text('[{"worker": "worker-gpu-1"}]')
    assert fleet_workers.list_workers(folder, record) == [{"worker": "worker-gpu-1"}]
    dead = replace(alive, started="long ago")
    assert fleet_workers.list_workers(folder, replace(record, processes=(dead,))) == []


def test_a_declared_command_stands_in_for_a_container_beside_its_worker(running: Running) -> None:
    told = running.supervisor.told
    wanted = told.server_folders / "worker-kept-1" / ".wanted"
    log = told.logs / "server-worker-kept-1.log"
    eventually(lambda: running.workers() == [("worker-kept-1", "running")])
    wanted.mkdir(parents=True)
    (wanted / "9100").write_text("/a version")
    eventually(lambda: "server 9100 of /a version" in log.read_text())
    [slot] = running.supervisor.fleets["kept"].slots.values()
    process: Any = slot.process
    process.worker.kill()
    eventually(lambda: process.server.poll() is not None)
