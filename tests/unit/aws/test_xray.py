"""Steps in X-Ray's traces: datagrams that the daemon of Lambda takes, for calls that are traced."""

import json
import socket
from collections.abc import Iterator

import pytest

from serval.aws.xray import MOST_STEPS, StepTracer
from serval.pipelines.step_times import StepSpan

TRACED = "Root=1-581cf771-a006649127e371903a2de979;Parent=70de5b6f19ff9a0a;Sampled=1;Lineage=a:1"
SPANS = [StepSpan("tags", 250.0, 1.5), StepSpan("price", 250.0, 1.75)]


@pytest.fixture
def daemon() -> Iterator[socket.socket]:
    """What takes datagrams; it has them as soon as they are sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taking:
        taking.bind(("127.0.0.1", 0))
        taking.setblocking(False)
        yield taking


def sent(daemon: socket.socket, header: str, spans: list[StepSpan]) -> list[bytes]:
    """Return the datagrams that a tracer sends."""
    tracer = StepTracer.to(f"127.0.0.1:{daemon.getsockname()[1]}", lambda: header)
    tracer(spans)
    tracer.socket.close()
    found: list[bytes] = []
    while True:
        try:
            found.append(daemon.recv(65_536))
        except BlockingIOError:
            return found


def test_each_step_is_a_subsegment_of_the_invocation(daemon: socket.socket) -> None:
    found = sent(daemon, TRACED, SPANS)
    heads, documents = zip(*(one.split(b"\n") for one in found), strict=True)
    assert [json.loads(head) for head in heads] == [{"format": "json", "version": 1}] * 2
    first, second = (json.loads(document) for document in documents)
    assert len(first.pop("id")) == 16
    assert first == {
        "type": "subsegment",
        "trace_id": "1-581cf771-a006649127e371903a2de979",
        "parent_id": "70de5b6f19ff9a0a",
        "name": "tags",
        "start_time": 1.25,
        "end_time": 1.5,
    }
    assert second["name"] == "price"


@pytest.mark.parametrize("header", ["", TRACED.replace("Sampled=1", "Sampled=0"), "nonsense"])
def test_an_invocation_that_is_not_traced_sends_nothing(daemon: socket.socket, header: str) -> None:
    assert sent(daemon, header, SPANS) == []


def test_a_call_of_many_runs_traces_the_steps_of_one_pipeline(daemon: socket.socket) -> None:
    assert len(sent(daemon, TRACED, SPANS * MOST_STEPS)) == MOST_STEPS


def test_a_missing_daemon_is_not_a_failure(daemon: socket.socket) -> None:
    daemon.close()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
    tracer = StepTracer.to(f"127.0.0.1:{port}", lambda: TRACED)
    for _ in range(3):  # the second one finds that nobody took the first
        tracer(SPANS)
    tracer.socket.close()
