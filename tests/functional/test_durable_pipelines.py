"""Durable pipelines, from the message about a request to its result, over a stage in memory."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from serval.models.route import Route
from serval.requests.request import AsyncRequest
from tests.fakes.durable import Died, DurableStage
from tests.fakes.handlers import Context, imported, logged, recorded
from tests.fakes.pipelines import publish_pipeline
from tests.fakes.worker import IS_REFUSED, row_of

HEAD = """
name: chain
durable: true
inputs: [{name: x, datatype: FP32, shape: [-1, 2]}]
steps:
"""
LIGHT = (
    HEAD
    + """
  - {name: first, model: one}
  - {name: second, model: ten, input: {x: first.y}}
output: '{"sum": $sum(second.y[0])}'
"""
)
HEAVY = (
    HEAD
    + """
  - {name: first, model: one}
  - {name: heavy, model: textgen, input: {x: first.y}}
  - {name: last, model: ten, input: {x: heavy.y}}
output: {y: last.y}
"""
)


@pytest.fixture
def stage(tmp_path: Path) -> DurableStage:
    return DurableStage(tmp_path)


def ask(stage: DurableStage, text: str, *values: float, **members: Any) -> AsyncRequest:
    """Publish a pipeline, ask it, and let everything happen that follows."""
    publish_pipeline(stage.world.registry, text)
    stage.world.submit("r1", model="chain", payload=row_of(*(values or (4.0,))), **members)
    stage.finish("chain")
    return stage.world.row("r1")


def statuses(stage: DurableStage, request_id: str = "r1") -> dict[str, str]:
    found = stage.documents.describe(stage.world.row(request_id)).members["steps"]
    return {step["name"]: step["status"] for step in found}


def test_a_pipeline_of_light_steps_is_run_step_by_step(stage: DurableStage) -> None:
    row = ask(stage, LIGHT)
    [answer] = stage.world.result("r1")
    assert json.loads(answer) == {"sum": 26.0}
    assert (row.version, row.attempts, row.runner) == ("1", 1, None)
    assert statuses(stage) == {"first": "succeeded", "second": "succeeded"}
    assert stage.world.inbox.queues["chain"] == []


def test_a_step_on_a_fleet_is_a_request_to_its_model(stage: DurableStage) -> None:
    row = ask(stage, HEAVY)
    assert stage.world.result("r1") == [115.0, 111.0]
    [child] = [one for one in stage.world.store.rows.values() if one.model == "textgen"]
    assert (child.status, child.fleet, child.affinity) == ("succeeded", "gpu", "r1")
    assert list(statuses(stage)) == ["first", "heavy", "last"]
    assert row.status == "succeeded"


def test_a_request_shows_which_versions_its_steps_asked(stage: DurableStage) -> None:
    stage.world.registry.add("textgen", "2", 200.0)
    record = stage.world.registry.records["textgen", "1"]
    stage.world.registry.records["textgen", "2"] = replace(record, version="2")
    stage.world.registry.routes["textgen"] = Route("1", "2", 100, "r")
    row = ask(stage, HEAVY)
    steps = stage.documents.describe(row).members["steps"]
    assert [step["versions"] for step in steps] == [{"first": "1"}, {"heavy": "2"}, {"last": "1"}]


def test_what_waits_for_a_fleet_is_shown_and_goes_on_by_itself(stage: DurableStage) -> None:
    seen: list[dict[str, str]] = []
    stage.stall = lambda: seen.append(statuses(stage))
    ask(stage, HEAVY)
    assert seen == [{"first": "succeeded", "heavy": "running"}]


def test_a_message_that_is_lost_is_made_up_for_within_the_hour(stage: DurableStage) -> None:
    def lose() -> None:
        for row in list(stage.world.store.rows.values()):
            if row.task_token is not None:
                stage.world.store.rows[row.id] = replace(row, task_token=None)
        stage.stall = lambda: None

    stage.stall = lose
    assert ask(stage, HEAVY).status == "succeeded"
    assert stage.world.clock.seconds >= 3600


@pytest.mark.parametrize("text", [LIGHT, HEAVY])
def test_functions_may_die_anywhere_and_every_step_counts_once(tmp_path: Path, text: str) -> None:
    whole = DurableStage(tmp_path / "whole")
    made = count_writes(whole)
    ask(whole, text)
    expected = whole.world.result("r1")
    assert len(made) > 10
    for moment in range(len(made)):
        stage = DurableStage(tmp_path / str(moment))
        count_writes(stage, deadly=moment)
        ask_until_ended(stage, text)
        assert stage.world.result("r1") == expected, made[moment]
        done = [name for _, name, status in stage.records.writes if status == "succeeded"]
        assert len(done) == len(set(done)), made[moment]
        assert len(stage.world.store.rows) == (2 if text == HEAVY else 1), made[moment]


def count_writes(stage: DurableStage, deadly: int = -1) -> list[str]:
    """Note each write of a request's way, and die once before, and each time the machine calls."""
    made: list[str] = []

    def before(what: str) -> None:
        made.append(what)
        if len(made) - 1 == deadly:
            raise Died(what)

    world = stage.world
    for port, name in (
        (world.payloads, "put"),
        (world.store, "create"),
        (world.store, "save"),
        (world.inbox, "send"),
        (stage.records, "write"),
    ):
        kept = getattr(port, name)

        def write(*given: Any, kept: Any = kept, name: str = name, **more: Any) -> Any:
            if stage.events:  # the pipeline runs
                before(name)
            return kept(*given, **more)

        setattr(port, name, write)
    stage.before = before
    return made


def ask_until_ended(stage: DurableStage, text: str) -> None:
    """Ask a pipeline; when what hands it over dies, its message comes again."""
    try:
        ask(stage, text)
    except Died:
        stage.world.clock.pass_seconds(5400)
        stage.finish("chain")


FAILING = (
    HEAD
    + """
  - {name: first, model: one}
  - {name: heavy, model: textgen, input: {x: first.y}%s}
  - {name: other, model: resnet, input: {x: x}}
output: {y: heavy.y}
"""
)


def test_a_step_that_fails_ends_the_request_and_keeps_what_others_gave(
    stage: DurableStage,
) -> None:
    stage.world.broken.add(100.0)
    row = ask(stage, FAILING % "")
    assert (row.status, row.refused) == ("failed", False)
    assert row.error is not None
    assert row.error.startswith("model 'chain' version '1' failed: step 'heavy': async request")
    assert "this row cannot be run" in row.error
    assert statuses(stage) == {"first": "succeeded", "heavy": "failed", "other": "succeeded"}
    steps = stage.documents.describe(row).members["steps"]
    assert steps[0]["value_url"].startswith("https://data/async/r1/steps/first-")
    assert "this row cannot be run" in steps[-1]["error"]


def test_the_document_has_the_versions_of_all_steps_beside_the_steps(stage: DurableStage) -> None:
    ask(stage, HEAVY)
    members = stage.documents.describe(stage.world.row("r1")).members
    assert members["step_versions"] == {"first": "1", "heavy": "1", "last": "1"}
    assert [step["versions"] for step in members["steps"]] == [
        {"first": "1"}, {"heavy": "1"}, {"last": "1"},
    ]  # fmt: skip


def test_a_retry_goes_on_where_the_request_failed(stage: DurableStage) -> None:
    stage.world.broken.add(100.0)
    assert ask(stage, FAILING % "").status == "failed"
    stage.world.broken.clear()
    stage.world.clock.pass_seconds(1)
    stage.retry(stage.world.row("r1"))
    stage.finish("chain")
    assert stage.world.result("r1") == [105.0, 101.0]
    ran = [event["step"] for event in stage.events if "step" in event]
    assert (ran.count("first"), ran.count("other")) == (1, 2)
    assert stage.records.writes.count(("r1", "first", "succeeded")) == 1
    assert len(stage.world.store.rows) == 3, "the requests to the models are the same"


@pytest.mark.parametrize(
    ("on_error", "said"),
    [
        (", on_error: {step: instead}", [-3.0, -1.0]),
        ("", None),
    ],
)
def test_what_stands_in_for_a_step_on_a_fleet(
    stage: DurableStage, on_error: str, said: list[float] | None
) -> None:
    text = FAILING % on_error
    text = text.replace("output:", "  - {name: instead, model: resnet, input: {x: x}}\noutput:")
    if not on_error:
        text = FAILING % on_error
    stage.world.broken.add(100.0)
    row = ask(stage, text)
    if said is None:
        assert row.status == "failed"
    else:
        assert stage.world.result("r1") == [-3.0, -7.0]


def test_a_step_that_reads_the_callers_inputs_alone_refuses_the_request(
    stage: DurableStage,
) -> None:
    text = HEAD + "  - {name: heavy, model: textgen}\noutput: {y: heavy.y}\n"
    row = ask(stage, text, IS_REFUSED)
    assert (row.status, row.refused, row.error_kind) == ("failed", True, "InvalidInputs")
    assert (row.error or "").startswith("pipeline 'chain' version '1': step 'heavy': ")


def test_a_step_that_takes_too_long_is_given_up_and_its_request_cancelled(
    stage: DurableStage,
) -> None:
    stage.idle = True
    row = ask(stage, HEAVY.replace("model: textgen", "model: textgen, timeout_seconds: 90"))
    assert row.status == "failed"
    assert "step 'heavy': took longer than 90 s" in (row.error or "")
    [child] = [one for one in stage.world.store.rows.values() if one.model == "textgen"]
    assert child.status == "cancelled"
    assert 90 <= stage.world.clock.seconds < 200


def test_a_cancelled_request_stops_what_its_steps_wait_for(stage: DurableStage) -> None:
    stage.idle = True
    stage.stall = lambda: stage.cancel.cancel(stage.world.row("r1")) and None
    row = ask(stage, HEAVY)
    assert row.status == "cancelled"
    assert {one.status for one in stage.world.store.rows.values()} == {"cancelled"}
    assert stage.world.clock.seconds < 100


def test_a_function_that_fails_again_and_again_ends_the_request_by_its_step(
    stage: DurableStage,
) -> None:
    def broken(*given: Any) -> None:
        raise RuntimeError("the bucket is on fire")

    stage.world.payloads.put = broken  # type: ignore[method-assign]
    row = ask(stage, LIGHT)
    assert row.status == "failed"
    assert row.error == (
        "model 'chain' version '1' failed: step 'first': Died: RuntimeError: the bucket is on fire"
    )


def test_an_execution_of_an_earlier_attempt_changes_nothing(stage: DurableStage) -> None:
    publish_pipeline(stage.world.registry, LIGHT)
    stage.world.submit("r1", model="chain", payload=row_of(4.0))
    stage.deliver("chain")
    [execution] = stage.executions
    row = stage.world.row("r1")
    stage.world.store.save(row, replace(row, attempt=2))
    proceed = stage.proceed()
    for event in ({"execution": "e"}, {"step": "first"}, {"error": {"Error": "x"}}):
        assert proceed.reply({**execution, **event}) == {"outcome": "ended"}
    assert stage.records.writes == []


def test_a_request_that_its_execution_lost_is_begun_again_and_resumes(stage: DurableStage) -> None:
    publish_pipeline(stage.world.registry, HEAVY)
    stage.world.submit("r1", model="chain", payload=row_of(4.0))
    stage.deliver("chain")
    proceed, lost = stage.proceed(), stage.executions.pop()
    assert proceed.reply({**lost, "execution": "e"}) == {"outcome": "steps", "steps": ["first"]}
    proceed.reply({**lost, "step": "first"})
    stage.world.clock.pass_seconds(3 * 3600)
    stage.world.inbox.send("chain", "r1")
    stage.finish("chain")
    assert stage.world.result("r1") == [115.0, 111.0]
    assert stage.world.row("r1").attempts == 2
    assert [e["step"] for e in stage.events if "step" in e] == ["heavy", "heavy", "last"]


def test_a_request_whose_machine_is_long_in_coming_is_not_begun_again(stage: DurableStage) -> None:
    publish_pipeline(stage.world.registry, LIGHT)
    stage.world.submit("r1", model="chain", payload=row_of(4.0))
    stage.deliver("chain")
    stage.world.clock.pass_seconds(3600)  # as while Lambda is throttled
    stage.world.inbox.send("chain", "r1")
    stage.finish("chain")
    assert stage.started == [("r1", 1)]
    assert stage.world.row("r1").attempts == 1


def test_durable_pipelines_are_counted_as_any_model(stage: DurableStage) -> None:
    ask(stage, LIGHT)
    [document] = [one for one in stage.world.metrics() if one["Model"] == "chain"]
    assert (document["Track"], document["Requests"]) == ("stable", 1)


ENVIRONMENT = {
    "STAGE": "prod",
    "REGISTRY_TABLE": "registry",
    "REQUESTS_TABLE": "requests",
    "DATA_BUCKET": "data",
    "ARTIFACT_BUCKET": "artifacts",
    "FLEETS": "{}",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "3008",
    "AWS_ACCESS_KEY_ID": "id",
    "AWS_SECRET_ACCESS_KEY": "secret",
}


def test_the_handler_runs_the_step_of_a_recorded_event(
    stage: DurableStage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    event = recorded("proceed")
    publish_pipeline(stage.world.registry, LIGHT)
    stage.world.submit(event["request"], model="chain", payload=row_of(4.0))
    stage.deliver("chain")
    handler = imported("proceed", ENVIRONMENT, stage.proceed(), monkeypatch).handler

    assert handler(event, Context()) == {"outcome": "ended"}

    assert stage.records.writes == [(event["request"], "first", "succeeded")]
    assert logged(capsys)["pipeline_request"] == event["request"]


def test_a_durable_pipeline_may_be_a_step_of_another(stage: DurableStage) -> None:
    publish_pipeline(stage.world.registry, HEAVY.replace("name: chain", "name: inner"))
    text = (
        HEAD + "  - {name: all, model: inner}\n  - {name: sum, rule: '$sum(all.y[0])'}\noutput: sum"
    )
    ask(stage, text)
    assert json.loads(stage.world.result("r1")[0]) == 115 + 111
    assert {row.model for row in stage.world.store.rows.values()} == {"chain", "inner", "textgen"}
