"""serval/client: batch jobs, by both clients."""

import json
from pathlib import Path

import httpx
import pytest

from serval.client import NoReply, NotEnded, NotSucceeded
from tests.fakes.client_server import ClientServer
from tests.unit.client.test_calls import Kind, both, replies


def job(status: str, **more: object) -> httpx.Response:
    found = {"id": "j1", "status": status, "model": "iris", "error": None, **more}
    return httpx.Response(200, json=found, headers={"retry-after": "2"})


@both
def test_a_job_is_started_once_however_often_it_is_sent(kind: Kind) -> None:
    server = kind(replies(httpx.ReadError("reset"), job("queued")))
    options = {"concurrency": 20}
    server.client.start_job("iris", "s3://b/rows.csv", output="s3://b/out/", options=options)
    first, second = server.calls
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
    assert server.seen[0] == "POST /stage/batch/models/iris/jobs"
    assert json.loads(first.content) == {
        "input": "s3://b/rows.csv",
        "output": "s3://b/out/",
        "options": options,
    }


@both
def test_a_job_is_followed_to_its_end(kind: Kind) -> None:
    states = [job("queued"), job("running", percent=50), job("succeeded")]
    server = kind(replies(*states))
    assert [one["status"] for one in server.client.follow_job("j1")] == [
        "queued",
        "running",
        "succeeded",
    ]
    assert server.pauses == [2, 2]


def test_a_job_that_failed_says_why() -> None:
    server = ClientServer(replies(job("running"), job("failed", error="no column x")))
    with pytest.raises(NotSucceeded, match="batch job j1 is failed: no column x"):
        server.client.wait_job("j1")


@both
def test_waiting_for_a_job_ends_with_the_time_that_was_given(kind: Kind) -> None:
    server = kind(lambda _: job("running", percent=50))
    with pytest.raises(NotEnded, match="batch job j1 is running, and goes on"):
        server.client.wait_job("j1", timeout_seconds=3)
    assert server.pauses == [2, 1]


@both
def test_a_job_that_has_not_ended_has_nothing_to_download(kind: Kind, tmp_path: Path) -> None:
    server = kind(replies(job("running")))
    with pytest.raises(NotEnded, match="batch job j1 is running: its files are there once it has"):
        server.client.download_job("j1", tmp_path)


@both
def test_a_download_goes_on_where_it_was_cut_off(kind: Kind, tmp_path: Path) -> None:
    body, ranges = b"0123456789", []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.host == "api":
            files = [{"name": "parts/0.csv", "url": "http://s3/0.csv"}]
            return job("succeeded", results=files)
        assert "authorization" not in request.headers
        ranges.append(request.headers.get("range"))
        rest = body[4:] if ranges[-1] else body
        headers = {"etag": '"e1"', "content-length": str(len(rest))}
        sent = iter([body[:4]]) if len(ranges) == 1 else iter([rest])
        return httpx.Response(206 if ranges[-1] else 200, headers=headers, content=sent)

    [found] = kind(answer).client.download_job("j1", tmp_path)
    assert found == tmp_path / "parts/0.csv"
    assert (found.read_bytes(), ranges) == (body, [None, None, "bytes=4-"])
    assert [file.name for file in found.parent.iterdir()] == ["0.csv"]


@both
def test_an_outage_of_a_minute_does_not_end_the_following(kind: Kind) -> None:
    down = [httpx.ConnectError("refused") for _ in range(8)]
    server = kind(replies(*down, job("succeeded"), *down))
    assert server.client.wait_job("j1")["id"] == "j1"
    assert server.pauses == [0.5, 1, 2, 4, 8, 16, 30, 30]
    with pytest.raises(NoReply):
        server.client.job("j1")
    assert len(server.pauses) == 11
