"""What a worker asks of the machine that it runs on: protection, notices, memory."""

from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from serval.aws.ecs.spot_notice import InstanceMetadata
from serval.aws.ecs.task import EcsTask
from serval.worker.program.machine import RENEWED_SECONDS, Protection
from serval.worker.program.settings import limits
from tests.fakes.emulator import any_port
from tests.fakes.http_servers import running
from tests.fakes.worker import RecordedProtection

PATIENT = 60.0
"""Seconds within which a server that is there answers, however busy the machine is."""


def test_protection_is_asked_for_once_and_renewed_before_it_ends() -> None:
    task = RecordedProtection()
    protection = Protection(task)
    for second in range(0, int(RENEWED_SECONDS) + 1, 60):
        protection.hold(True, float(second))
    assert task.asked == ["protect 30", "protect 30"]
    protection.hold(False, 700.0)
    protection.hold(False, 760.0)
    assert task.asked == ["protect 30", "protect 30", "release"]


class Agent:
    """ECS's agent, as its documentation describes it."""

    def __init__(self) -> None:
        self.states: list[object] = []
        self.status = 200

    async def put(self, request: Request) -> Response:
        self.states.append(await request.json())
        return Response(status_code=self.status)

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/api/task-protection/v1/state", self.put, methods=["PUT"])])


def test_the_ecs_agent_is_told_in_its_own_words() -> None:
    agent, log = Agent(), list[str]()
    with running(agent.app()) as port:
        task = EcsTask(f"http://127.0.0.1:{port}/api", log.append, PATIENT)
        task.protect(30)
        task.release()
    assert agent.states == [
        {"ProtectionEnabled": True, "ExpiresInMinutes": 30},
        {"ProtectionEnabled": False},
    ]
    assert log == []


def test_an_agent_that_does_not_grant_protection_stops_nothing() -> None:
    agent, log = Agent(), list[str]()
    agent.status = 400
    with running(agent.app()) as port:
        EcsTask(f"http://127.0.0.1:{port}/api", log.append, PATIENT).protect(30)
    EcsTask(f"http://127.0.0.1:{any_port()}/api", log.append).release()
    assert len(log) == 2
    assert all('"failed": "task protection"' in line for line in log)


def metadata(notice: Callable[[], int]) -> Starlette:
    """Give EC2's instance metadata: version 2, where nothing is told without a token."""

    def token(request: Request) -> Response:
        assert request.headers["X-aws-ec2-metadata-token-ttl-seconds"]
        return PlainTextResponse("a token")

    def action(request: Request) -> Response:
        if request.headers.get("X-aws-ec2-metadata-token") != "a token":
            return Response(status_code=401)
        return Response('{"action": "terminate"}', status_code=notice())

    return Starlette(
        routes=[
            Route("/latest/api/token", token, methods=["PUT"]),
            Route("/latest/meta-data/spot/instance-action", action),
        ]
    )


@pytest.mark.parametrize(("status", "due"), [(200, True), (404, False), (500, False)])
def test_a_spot_notice_is_seen(status: int, due: bool) -> None:
    with running(metadata(lambda: status)) as port:
        assert InstanceMetadata(f"http://127.0.0.1:{port}", PATIENT).due() is due


def test_a_machine_without_metadata_has_no_notice() -> None:
    assert not InstanceMetadata(f"http://127.0.0.1:{any_port()}").due()


def test_versions_may_take_what_is_declared(tmp_path: Path) -> None:
    assert limits(1000, tmp_path).memory_bytes == 1000 * 2**20
    assert limits(1000, tmp_path).disk_bytes > 0


@pytest.mark.parametrize(
    ("allowed", "expected"), [("1000000000", 750_000_000), ("max", None), (None, None)]
)
def test_versions_may_take_three_quarters_of_what_there_is(
    tmp_path: Path, allowed: str | None, expected: int | None
) -> None:
    container = tmp_path / "memory.max"
    if allowed is not None:
        container.write_text(allowed + "\n")
    whole = limits(0, tmp_path, tmp_path / "none").memory_bytes
    assert limits(0, tmp_path, container).memory_bytes == (expected or whole)
