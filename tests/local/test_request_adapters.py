"""What async requests need of AWS, against an emulator of its own."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.httpsession import URLLib3Session

from serval.aws.dynamodb import requests
from serval.aws.dynamodb.requests import RequestTable
from serval.requests import lifecycle
from serval.requests.list_requests import Filters
from serval.requests.ports import change
from serval.requests.request import AsyncRequest, OpenRequest
from serval_cli.local.aws_client import create_session
from tests.fakes.filled import filled
from tests.fakes.requests import START, async_request

LEASE = timedelta(seconds=60)
FULL = filled(
    AsyncRequest, id="r/ü", finished="2026-11-21T10:15:02.000Z", keep_days=0, header_length=0
)


@pytest.fixture
def store(requests_table: Any) -> RequestTable:
    return RequestTable(requests_table)


def test_every_member_of_a_request_reads_back(store: RequestTable):
    plain = async_request("plain")
    assert all(getattr(FULL, member.name) != member.default for member in fields(AsyncRequest))

    assert store.create(FULL)
    assert store.create(plain)

    assert store.find(FULL.id) == FULL
    assert store.find("plain") == plain
    assert type(store.find(FULL.id).payload) is bytes  # type: ignore[union-attr]
    assert store.find("nobody") is None


def test_an_id_is_taken_once(store: RequestTable):
    assert store.create(async_request("r1"))
    assert not store.create(async_request("r1", model="resnet"))

    assert store.find("r1") == async_request("r1")


def test_an_id_is_taken_by_one_of_many_writers(store: RequestTable):
    start = threading.Barrier(8)

    def create(number: int) -> bool:
        start.wait()
        return store.create(async_request("r1", affinity=str(number)))

    with ThreadPoolExecutor(8) as threads:
        taken = list(threads.map(create, range(8)))

    assert sum(taken) == 1
    row = store.find("r1")
    assert row is not None
    assert row.affinity == str(taken.index(True))


def test_many_rows_are_read_at_once(store: RequestTable):
    rows = {f"r{number}": async_request(f"r{number}") for number in range(130)}
    for row in rows.values():
        store.create(row)

    assert store.find_all([*rows, *rows, "nobody"]) == rows
    assert store.find_all([]) == {}


def test_a_row_read_before_another_change_is_not_saved(store: RequestTable):
    row = async_request("r1", error="of the last attempt")
    store.create(row)
    running = lifecycle.begin(row, "worker-1", START, LEASE)

    assert store.save(row, running)
    assert not store.save(row, lifecycle.begin(row, "worker-2", START, LEASE))
    assert not store.save(async_request("nobody"), async_request("nobody", attempt=1))

    assert store.find("r1") == replace(running, revision=1)
    assert store.find("nobody") is None


def test_what_is_none_again_is_gone_from_the_row(store: RequestTable, requests_table: Any):
    row = async_request("r1")
    store.create(row)

    def step(row: AsyncRequest, after: AsyncRequest) -> AsyncRequest:
        saved = change(store, row, lambda _: after)
        assert saved is not None
        assert store.find("r1") == saved
        return saved

    row = step(row, lifecycle.begin(row, "worker-1", START, LEASE))
    assert requests_table.get_item(Key={"id": "r1"})["Item"]["state"] == f"running#{row.shard}"
    row = step(row, lifecycle.try_again(row, "out of memory", START))
    assert {"runner", "lease_until"}.isdisjoint(requests_table.get_item(Key={"id": "r1"})["Item"])
    row = step(row, lifecycle.begin(row, "worker-2", START, LEASE))
    row = step(row, lifecycle.succeed(row, "3", "async/r1/2/response", 12, None, START))
    item = requests_table.get_item(Key={"id": "r1"})["Item"]
    assert {"state", "error", "runner"}.isdisjoint(item)
    assert item["expires"] == int((START + timedelta(days=7)).timestamp())


def test_a_request_that_is_retried_never_expires(store: RequestTable, requests_table: Any):
    row = lifecycle.fail(async_request("r1"), "out of memory", START)
    store.create(row)
    assert "expires" in requests_table.get_item(Key={"id": "r1"})["Item"]

    assert change(store, row, lambda row: lifecycle.retry(row, START)) is not None

    item = requests_table.get_item(Key={"id": "r1"})["Item"]
    assert "expires" not in item
    assert item["state"].startswith("queued#")


def test_open_requests_are_listed_until_they_have_finished(store: RequestTable):
    queued = {f"r{number}": async_request(f"r{number}") for number in range(40)}
    for row in queued.values():
        store.create(row)
    assert {row.shard for row in queued.values()} == set(range(8))
    running = lifecycle.begin(queued["r1"], "worker-1", START + LEASE, LEASE)
    assert store.save(queued["r1"], running)
    assert store.save(queued["r2"], lifecycle.cancel(queued["r2"], START))

    found = {row.id: row for row in store.open()}

    assert found.keys() == queued.keys() - {"r2"}
    assert found["r0"] == OpenRequest(
        id="r0",
        model="textgen",
        fleet="gpu",
        status="queued",
        created=queued["r0"].created,
        updated=queued["r0"].updated,
    )
    assert found["r1"].status == "running"
    assert found["r1"].updated == running.updated
    assert found["r1"].lease_until == running.lease_until


def test_of_a_long_backlog_the_oldest_are_listed_and_the_rest_is_counted(
    store: RequestTable, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(requests, "LISTED", 2)
    for number in range(60):
        moment = f"2026-11-21T10:15:{number:02}.000Z"
        model = "resnet" if number % 3 == 0 else "textgen"
        store.create(async_request(f"r{number}", model=model, created=moment, updated=moment))
    running = lifecycle.begin(async_request("r1"), "worker-1", START + LEASE, LEASE)
    assert store.save(async_request("r1"), running)

    listing = store.list_open()

    queued = [row for row in listing.listed if row.status == "queued"]
    assert [row.id for row in listing.listed if row.status == "running"] == ["r1"]
    assert len(queued) == 8 * 2
    shards = {row.id: async_request(row.id).shard for row in store.open()}
    for shard in range(8):
        mine = sorted(int(one[1:]) for one, part in shards.items() if part == shard and one != "r1")
        listed = sorted(int(row.id[1:]) for row in queued if shards[row.id] == shard)
        assert listed == mine[:2], "those that wait longest"
    listed_textgen = sum(row.model == "textgen" for row in queued)
    assert store.count_unlisted(listing, ["textgen"]) == 39 - listed_textgen
    assert store.count_unlisted(listing, ["textgen", "resnet"]) == 59 - len(queued)


def test_a_model_s_requests_are_listed_newest_first(store: RequestTable):
    for number in range(5):
        store.create(
            async_request(f"r{number}", created=f"2026-11-21T10:15:0{number}.000Z", version="3")
        )
    store.create(async_request("other", model="resnet"))
    failed = lifecycle.fail(async_request("r9", created="2027"), "out of memory", START)
    store.create(failed)

    listed = store.of_model("textgen", 3)

    assert [row.id for row in listed] == ["r9", "r4", "r3"]
    assert listed[0] == replace(failed, payload=None, payload_bytes=0, body_hash="")
    assert listed[1].version == "3"
    assert [row.id for row in store.of_model("textgen", 100)][-1] == "r0"
    assert store.of_model("nothing", 3) == []


def test_a_model_s_requests_are_read_by_pages_status_and_time(store: RequestTable) -> None:
    for number in range(6):
        row = async_request(f"r{number}", created=f"2026-11-21T10:0{number}:00.000Z")
        store.create(replace(row, status="failed") if number % 2 else row)
    store.create(async_request("other", model="resnet"))

    def read(limit: int, **filters: Any) -> list[list[str]]:
        pages, after = [], None
        while not pages or after is not None:
            rows, after = store.page("textgen", Filters(**filters), after, limit)
            pages.append([row.id for row in rows])
        return [page for page in pages if page]

    assert read(4) == [["r5", "r4", "r3", "r2"], ["r1", "r0"]]
    assert read(2, status="failed") == [["r5", "r3"], ["r1"]]
    times = {"since": "2026-11-21T10:01:00.000Z", "before": "2026-11-21T10:04:00.000Z"}
    assert read(10, **times) == [["r3", "r2", "r1"]]
    assert read(10, status="queued", **times) == [["r2"]]


def losing_one_answer(endpoint: str, operation: str) -> Any:
    """Give a client's resource to which one answer of the emulator is lost, and which retries."""
    dynamodb = create_session().resource(
        "dynamodb",
        endpoint_url=endpoint,
        config=Config(proxies={}, retries={"mode": "standard", "total_max_attempts": 2}),
    )
    lost: list[str] = []

    def lose(request: Any, **_: Any) -> AWSResponse | None:
        if lost:
            return None
        lost.append(request.url)
        URLLib3Session().send(request)
        return AWSResponse(request.url, 500, {}, Nothing())

    dynamodb.meta.client.meta.events.register(f"before-send.dynamodb.{operation}", lose)
    return dynamodb


class Nothing:
    """The body of an answer that never came."""

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        return iter(())


def test_a_row_is_created_though_the_answer_was_lost(endpoint: str, requests_table: Any):
    retrying = RequestTable(losing_one_answer(endpoint, "PutItem").Table(requests_table.name))

    assert retrying.create(FULL)
    assert not retrying.create(FULL)


def test_a_change_is_saved_though_the_answer_was_lost(endpoint: str, requests_table: Any):
    row = async_request("r1")
    RequestTable(requests_table).create(row)
    retrying = RequestTable(losing_one_answer(endpoint, "UpdateItem").Table(requests_table.name))

    assert retrying.save(row, lifecycle.begin(row, "worker-1", START, LEASE))
    assert not retrying.save(row, lifecycle.begin(row, "worker-1", START, LEASE))


def test_a_change_repeated_after_another_writer_s_is_not_saved(endpoint: str, requests_table: Any):
    row = async_request("r1")
    RequestTable(requests_table).create(row)
    RequestTable(requests_table).save(row, lifecycle.begin(row, "worker-1", START, LEASE))
    retrying = RequestTable(losing_one_answer(endpoint, "UpdateItem").Table(requests_table.name))

    assert not retrying.save(row, lifecycle.begin(row, "worker-2", START, LEASE))


def test_callers_who_do_not_know_yet_are_listed_until_they_do(store: RequestTable):
    asked = async_request("asked", callback_url="https://example.org/", status="running")
    store.create(asked)
    store.create(async_request("quiet", status="running"))
    for request in (asked, async_request("quiet", status="running")):
        assert store.save(request, lifecycle.fail(request, "no", START))
    assert list(store.callbacks_due("2027")) == ["asked"]
    assert list(store.callbacks_due("2026")) == []

    closed = store.find("asked")
    assert closed is not None
    assert store.save(closed, replace(closed, callback_sent=closed.updated))
    assert list(store.callbacks_due("2027")) == []
    assert list(store.open()) == []
