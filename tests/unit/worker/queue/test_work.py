"""What becomes of requests and their messages when nothing fails."""

import json
from dataclasses import replace
from datetime import timedelta

from serval.clock import timestamp
from serval.requests import lifecycle
from tests.fakes.inference import signature
from tests.fakes.worker import LEASE, Stepped, World, row_of


def test_a_request_is_answered_and_its_message_goes(world: World, worker: Stepped) -> None:
    world.submit("r1", payload=row_of(4.0))
    worker.work()
    row = world.row("r1")
    assert world.result("r1") == [5.0, 1.0]
    assert (row.version, row.attempts, row.response_key) == ("1", 1, "async/r1/1/response")
    assert world.inbox.queues["textgen"] == []


def test_a_body_that_does_not_fit_the_row_is_read_from_the_bucket(
    world: World, worker: Stepped
) -> None:
    world.payloads.put("async/r1/request", row_of(4.0))
    world.submit("r1", payload=None, payload_key="async/r1/request")
    worker.work()
    assert world.result("r1") == [5.0, 1.0]


def test_a_result_has_the_form_that_its_request_asked_for(world: World, worker: Stepped) -> None:
    body = json.loads(row_of(4.0)) | {"parameters": {"binary_data_output": True}, "id": "mine"}
    world.submit("binary", payload=json.dumps(body).encode())
    world.submit("json", payload=row_of(5.0))
    worker.work()
    assert world.runs == [2]
    row = world.row("binary")
    assert row.response_key is not None
    result = world.payloads.objects[row.response_key]
    assert row.response_bytes == len(result)
    assert row.response_header_length is not None
    assert json.loads(result[: row.response_header_length])["id"] == "mine"
    assert world.row("json").response_header_length is None


def test_the_row_says_who_runs_it_and_with_which_version(world: World, worker: Stepped) -> None:
    world.submit("r1")
    worker.fetch()
    worker.prepare()
    row = world.row("r1")
    assert (row.status, row.runner, row.version, row.attempt) == ("running", "w1", "1", 1)
    assert row.lease_until == timestamp(world.clock() + LEASE)


def test_the_version_that_was_asked_for_by_number_answers(world: World, worker: Stepped) -> None:
    world.registry.add("textgen", "2", 100.0)
    world.submit("old", wanted="1", payload=row_of(1.0))
    world.submit("new", payload=row_of(1.0))
    worker.work()
    assert world.result("old") == [2.0, 1.0]
    assert world.result("new") == [101.0, 100.0]


def test_a_version_that_is_not_there_is_its_callers_fault(world: World, worker: Stepped) -> None:
    world.submit("r1", wanted="7")
    worker.work()
    assert world.row("r1").status == "failed"
    missing = "model 'textgen' has no version '7': `GET /v2/models/textgen` lists those it has"
    assert world.row("r1").error == missing
    assert world.inbox.dead == []


def test_messages_about_nothing_are_dropped(world: World, worker: Stepped) -> None:
    world.inbox.send("textgen", "expired")
    world.inbox.send("textgen", "")
    world.submit("done", status="succeeded")
    world.submit("of-another-model", model="resnet")
    world.inbox.queues["textgen"] += world.inbox.queues.pop("resnet")
    worker.work()
    assert world.inbox.queues["textgen"] == []
    assert world.runs == []


def test_a_second_message_about_a_running_request_waits_for_its_lease(world: World) -> None:
    first, second = world.worker("w1"), world.worker("w2")
    world.submit("r1")
    world.inbox.send("textgen", "r1")
    first.fetch()
    world.inbox.queues["textgen"][1].visible_at = 0
    world.clock.pass_seconds(1)
    first.prepare()
    second.fetch("textgen")
    assert not second.prepare()
    assert world.inbox.visible("textgen") == []
    first.run()
    world.clock.pass_seconds(LEASE.total_seconds())
    assert world.inbox.visible("textgen") == ["r1"]
    second.work()
    assert world.inbox.queues["textgen"] == []
    assert world.runs == [1]


def test_two_messages_about_one_request_run_it_once(world: World, worker: Stepped) -> None:
    world.submit("r1")
    world.inbox.send("textgen", "r1")
    worker.work()
    assert world.runs == [1]
    assert world.row("r1").attempts == 1


def test_who_loses_a_race_for_a_row_leaves_the_message_alone(world: World, worker: Stepped) -> None:
    world.submit("r1")
    worker.fetch()
    row = world.row("r1")
    world.store.rival = replace(
        lifecycle.begin(row, "rival", world.clock(), LEASE), revision=row.revision + 1
    )
    assert not worker.prepare()
    assert world.row("r1").runner == "rival"
    assert world.inbox.visible("textgen") == []
    world.clock.pass_seconds(LEASE.total_seconds())
    assert world.inbox.visible("textgen") == ["r1"]


def test_a_request_runs_although_a_task_that_waits_for_it_is_noted_meanwhile(
    world: World, worker: Stepped
) -> None:
    world.submit("r1")
    worker.fetch()
    row = world.row("r1")
    world.store.rival = replace(row, task_token="token", revision=row.revision + 1)
    worker.work()
    assert (world.row("r1").status, world.row("r1").task_token) == ("succeeded", "token")
    assert world.inbox.queues["textgen"] == []


def test_a_request_that_was_cancelled_before_it_starts_never_runs(
    world: World, worker: Stepped
) -> None:
    world.submit(
        "r1", status="running", cancel_requested=True, lease_until=timestamp(world.clock())
    )
    world.clock.pass_seconds(1)
    worker.work()
    assert world.row("r1").status == "cancelled"
    assert world.runs == []
    assert world.inbox.queues["textgen"] == []


def cancel(world: World, request_id: str) -> None:
    row = world.row(request_id)
    assert world.store.save(row, lifecycle.cancel(row, world.clock()))


def test_a_request_that_is_cancelled_while_it_is_prepared_never_runs(
    world: World, worker: Stepped
) -> None:
    world.submit("r1")
    world.submit("r2")
    worker.fetch()
    worker.prepare()
    cancel(world, "r1")
    world.clock.pass_seconds(2)
    worker.run()
    assert world.row("r1").status == "cancelled"
    assert world.row("r2").status == "succeeded"
    assert world.runs == [1]


def test_a_request_that_is_cancelled_while_it_runs_gets_no_result(
    world: World, worker: Stepped
) -> None:
    world.during = lambda: cancel(world, "r1")
    world.submit("r1", callback_url="https://example.com/")
    worker.work()
    row = world.row("r1")
    assert (row.status, row.response_key) == ("cancelled", None)
    assert world.callbacks.sent == ["r1"]


def test_a_caller_who_wants_to_be_called_back_is_noted_once_it_is_over(
    world: World, worker: Stepped
) -> None:
    world.submit("r1", callback_url="https://example.com/")
    world.submit("r2")
    worker.work()
    assert world.callbacks.sent == ["r1"]


def test_a_model_without_a_variable_first_axis_runs_each_request_by_itself(
    world: World, worker: Stepped
) -> None:
    world.registry.add("textgen", "2", 1.0, signature("FP32", [1, 2]))
    world.submit("one")
    world.submit("two")
    worker.work()
    assert world.runs == [1, 1]


def test_a_lease_that_was_lost_makes_a_result_worthless(world: World) -> None:
    slow, quick = world.worker("slow"), world.worker("quick")
    world.submit("r1")

    def overtaken() -> None:
        if world.row("r1").attempt > 1:
            return
        world.clock.pass_seconds(LEASE.total_seconds() + 1)
        quick.work()

    world.during = overtaken
    slow.fetch()
    slow.prepare()
    slow.run()
    row = world.row("r1")
    assert (row.status, row.attempt, row.response_key) == ("succeeded", 2, "async/r1/2/response")
    assert sorted(world.payloads.objects) == ["async/r1/1/response", "async/r1/2/response"]


def test_a_heartbeat_keeps_what_is_held_from_others(world: World, worker: Stepped) -> None:
    world.submit("r1")
    world.submit("r2", model="resnet")
    worker.fetch()
    worker.prepare()
    for _ in range(5):
        world.clock.pass_seconds(LEASE.total_seconds() / 3)
        worker.worker.heartbeat.beat()
    assert world.row("r1").lease_until == timestamp(world.clock() + LEASE)
    assert world.inbox.visible("textgen") == world.inbox.visible("resnet") == []
    worker.work()
    assert world.row("r1").status == world.row("r2").status == "succeeded"
    assert world.row("r1").attempts == 1


def test_a_heartbeat_never_hides_what_was_let_go(world: World, worker: Stepped) -> None:
    world.submit("r1")
    worker.fetch()
    worker.worker.finish.give_back(worker.worker.drain.holdings.all())
    worker.worker.heartbeat.beat()
    assert world.inbox.visible("textgen") == ["r1"]


def test_a_heartbeat_of_a_row_that_is_lost_changes_nothing(world: World, worker: Stepped) -> None:
    world.submit("r1")
    worker.fetch()
    worker.prepare()
    row = world.row("r1")
    rival = lifecycle.begin(row, "rival", world.clock(), timedelta(seconds=5))
    assert world.store.save(row, rival)
    world.clock.pass_seconds(1)
    worker.worker.heartbeat.beat()
    assert world.row("r1").lease_until == rival.lease_until
    worker.run()
    assert world.runs == []
    assert world.row("r1").runner == "rival"
