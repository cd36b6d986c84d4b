"""A batch job walked through: what is called with what, and that nothing grows with the input."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.stacks.definitions import reached_states, refusals
from tests.stacks.synthesis import Synthesised, as_list
from tests.stacks.walk import StepFailed, Walk

LIMIT_BYTES = 256 * 1024
LIMIT_EVENTS = 25_000
LEASE_SECONDS = 60
"""Of a worker that has fallen silent: then its message is another's."""
CAUSE_CHARACTERS = 32_768
JOB = {"job": "20261121T101500-abcdef"}
EVENT = {"origin": "api", **JOB}
RANGES = {"bucket": "data", "key": "batch/iris/out/j/plan/ranges.jsonl"}
READY = {
    "outcome": "shards",
    **JOB,
    "model": "iris",
    "fleet": None,
    "items": {"bucket": "data", "key": "batch/iris/out/j/plan/shards.jsonl"},
    "count": 2,
    "concurrency": 7,
    "tolerated_failed_percent": 5,
}
ANSWERS: dict[str, Any] = {
    "accept": {"outcome": "accepted", **JOB, "model": "iris"},
    "plan": {"outcome": "scan", **JOB, "ranges": RANGES, "count": 1},
    "Scan": [{"number": 0}],
    "cut": READY,
    "Shards": [{"index": 0}, {"index": 1}],
    "Tasks": [{"index": 0}],
    "assemble": {"outcome": "succeeded", **JOB},
    "finish": {**JOB, "status": "failed", "reason": "because"},
}


def walk(stage: Synthesised, **answers: Any) -> Walk:
    done = Walk(stage.batch, ANSWERS | answers)
    done.run(EVENT)
    return done


def called_steps(done: Walk) -> list[str]:
    return [name for name, _ in done.calls]


def test_a_csv_file_is_scanned_cut_run_and_put_together(prod: Synthesised) -> None:
    done = walk(prod)
    assert done.calls == [
        ("accept", {"input": EVENT, "owner": "execution-1"}),
        ("plan", JOB),
        ("scan", {"range": {"number": 0}}),
        ("cut", JOB),
        ("shard", {"shard": {"index": 0}, "model": "iris"}),
        ("shard", {"shard": {"index": 1}, "model": "iris"}),
        ("assemble", JOB),
    ]
    assert done.visited[-1] == "Done"


def test_what_needs_no_scan_runs_at_once(prod: Synthesised) -> None:
    assert called_steps(walk(prod, plan=READY)) == ["accept", "plan", "shard", "shard", "assemble"]


def test_a_job_without_shards_is_put_together_at_once(prod: Synthesised) -> None:
    assert called_steps(walk(prod, plan={**READY, "outcome": "assemble"})) == [
        "accept",
        "plan",
        "assemble",
    ]


def test_a_shard_that_waits_for_its_rows_is_called_again_later(prod: Synthesised) -> None:
    answers = iter([{"resume": {"piece": 1}, "seconds": 60}, {}, {}])
    done = walk(prod, plan=READY, shard=lambda: next(answers))
    given = [payload["went"] for name, payload in done.calls if "went" in payload]
    assert given == [{"resume": {"piece": 1}, "seconds": 60}]
    assert done.waited == [60]


def test_a_shard_that_runs_short_of_time_is_called_again_with_where_to_go_on(
    prod: Synthesised,
) -> None:
    answers: Iterator[Mapping[str, Any]] = iter([{"resume": {"piece": 1}}, {}, {}])
    done = walk(prod, plan=READY, shard=lambda: next(answers))
    given = [payload for name, payload in done.calls if name == "shard"]
    assert given[1] == {
        "shard": {"index": 0},
        "model": "iris",
        "went": {"resume": {"piece": 1}},
    }
    assert [payload["shard"]["index"] for payload in given] == [0, 0, 1]


def test_shards_of_a_fleet_model_go_to_its_queue_with_a_token(prod: Synthesised) -> None:
    done = walk(prod, plan={**READY, "model": "textgen", "fleet": "gpu"})
    assert done.calls[2] == (
        "https://sqs.eu-central-1.amazonaws.com/123456789012/serval-prod-gpu-shards",
        {"shard": {"index": 0}, "model": "textgen", "task_token": "a-token"},
    )
    assert called_steps(done)[-1] == "assemble"


@pytest.mark.parametrize("step", ["accept", "plan", "cut", "assemble"])
@pytest.mark.parametrize("outcome", ["refused", "cancelled"])
def test_a_refusal_is_finished_with_its_reason(prod: Synthesised, step: str, outcome: str) -> None:
    done = walk(prod, **{step: {"outcome": outcome, **JOB, "reason": "a reason"}})
    assert done.calls[-1] == ("finish", JOB | {"reason": "a reason"})
    assert done.visited[-1] == "Done"


def test_what_starts_no_job_ends_at_once(prod: Synthesised) -> None:
    done = walk(prod, accept={"outcome": "ignored", "reason": "started before"})
    assert done.visited == ["Accept", "After accept", "Done"]


@pytest.mark.parametrize("step", ["accept", "plan", "scan", "cut", "shard", "assemble"])
@pytest.mark.parametrize("error", ["Lambda.Unknown", "States.DataLimitExceeded"])
def test_a_failure_is_finished_with_its_error(prod: Synthesised, step: str, error: str) -> None:
    done = walk(prod, **{step: StepFailed(error, "a cause")})
    name, payload = done.calls[-1]
    assert name == "finish"
    assert payload["job"] == JOB["job"]
    assert payload["error"]["Error"].startswith(("Lambda", "States"))
    assert done.visited[-1] == "Done"


def test_ten_thousand_shards_fit_what_an_execution_may_carry(prod: Synthesised) -> None:
    """Each of them went on a thousand times, and the last one fails with all that it can say."""
    address = "s3://" + "b" * 63 + "/" + "k" * 900
    item = {"job": JOB["job"], "index": 9_999, "source": address, "start": 10**12}
    resume = {"piece": 999, "record": "x" * 20_000}
    for shard in ({"resume": resume}, StepFailed("Unexpected", "x" * CAUSE_CHARACTERS)):
        answers: Iterator[Any] = iter([shard])
        done = walk(
            prod,
            plan=READY,
            Shards=[item] * 10_000,
            shard=lambda answers=answers: answer_inputs(next(answers, {})),
        )
        assert done.largest_bytes < LIMIT_BYTES / 4
    assert len(json.dumps([{}] * 10_000)) < LIMIT_BYTES / 4


def answer_inputs(answer: Any) -> Any:
    if isinstance(answer, StepFailed):
        raise answer
    return answer


def test_children_collect_nothing_and_read_their_items_from_s3(prod: Synthesised) -> None:
    maps = {n: s for n, s in prod.batch["States"].items() if s["Type"] == "Map"}
    assert maps.keys() == {"Scan", "Shards", "Tasks"}
    for state in maps.values():
        assert state["ResultPath"] is None
        assert "ItemsPath" not in state
        assert state["ItemReader"]["ReaderConfig"] == {"InputType": "JSONL"}
        assert not state.keys() & {"ItemBatcher", "ResultWriter"}
        processor = state["ItemProcessor"]
        assert processor["ProcessorConfig"] == {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
        ends = [s for s in processor["States"].values() if not s.keys() & {"Next", "Default"}]
        assert ends == [{"Type": "Pass", "Result": {}, "End": True}]


@pytest.mark.parametrize("name", ["Shards", "Tasks"])
def test_a_job_has_its_own_concurrency_and_tolerance(prod: Synthesised, name: str) -> None:
    state = prod.batch["States"][name]
    assert READY[state["MaxConcurrencyPath"].removeprefix("$.")] == 7
    assert READY[state["ToleratedFailurePercentagePath"].removeprefix("$.")] == 5


def test_a_shard_is_not_tried_again_when_its_job_was_stopped(prod: Synthesised) -> None:
    for state in tasks(prod):
        first = state["Retry"][0]["ErrorEquals"]
        if first == ["States.HeartbeatTimeout"]:
            first = state["Retry"][1]["ErrorEquals"]
        assert first == ["JobStopped", "BatchRefused", "BatchJobNotFound", "ShardLost"]


def test_a_shard_waits_an_hour_for_room_on_lambda(prod: Synthesised) -> None:
    shard = prod.batch["States"]["Shards"]["ItemProcessor"]["States"]["Shard"]
    (retry,) = [r for r in shard["Retry"] if "Lambda.TooManyRequestsException" in r["ErrorEquals"]]
    assert retry["MaxAttempts"] * retry["MaxDelaySeconds"] / 2 >= 3600
    assert 5 * retry["MaxAttempts"] < LIMIT_EVENTS


def tasks(stage: Synthesised) -> list[Mapping[str, Any]]:
    return [
        state
        for each in stage.batch["States"].values()
        if each["Type"] == "Map"
        for state in each["ItemProcessor"]["States"].values()
        if state["Type"] == "Task"
    ]


def test_a_token_that_nobody_keeps_alive_is_given_to_another_message(prod: Synthesised) -> None:
    (ask,) = [state for state in tasks(prod) if "waitForTaskToken" in state["Resource"]]
    assert ask["HeartbeatSeconds"] > 10 * LEASE_SECONDS
    (retry, *_) = ask["Retry"]
    assert retry["ErrorEquals"] == ["States.HeartbeatTimeout"]
    assert retry["MaxAttempts"] * ask["HeartbeatSeconds"] > 86_400


def test_the_definition_is_what_step_functions_takes(prod: Synthesised, tmp_path: Path) -> None:
    assert refusals(prod.batch, tmp_path) == ""


def test_every_state_is_reached_and_every_target_is_there(prod: Synthesised) -> None:
    machines = [
        prod.batch,
        *(s["ItemProcessor"] for s in prod.batch["States"].values() if "ItemProcessor" in s),
    ]
    for machine in machines:
        assert reached_states(machine) == machine["States"].keys()


def test_the_machine_is_created_after_its_rights(prod: Synthesised) -> None:
    resources = prod.templates["api"]["Resources"]
    kinds = {resources[name]["Type"] for name in as_list(prod.machine("BatchJobs")["DependsOn"])}
    assert "AWS::IAM::Policy" in kinds


def test_executions_are_logged_without_what_callers_have_asked(prod: Synthesised) -> None:
    logging = prod.machine("BatchJobs")["Properties"]["LoggingConfiguration"]
    assert (logging["Level"], logging["IncludeExecutionData"]) == ("ALL", False)


def test_an_upload_starts_a_job_or_ends_in_the_dead_letter_queue(prod: Synthesised) -> None:
    rule = prod.upload_rule("BatchJobs")
    (target,) = rule["Targets"]
    assert prod.resource("api", target["Arn"]["Ref"]) == prod.machine("BatchJobs")
    queue = prod.resource("api", target["DeadLetterConfig"]["Arn"]["Fn::GetAtt"][0])
    assert queue["Type"] == "AWS::SQS::Queue"
    assert "RedrivePolicy" not in queue["Properties"]
    assert rule["EventPattern"]["detail"]["object"]["key"] == [{"wildcard": "batch/*/in/*"}]


def test_the_shards_have_the_memory_of_the_largest_function(prod: Synthesised) -> None:
    shard = prod.function("shard")
    assert shard["MemorySize"] == prod.function("infer-heavier")["MemorySize"]
    for name in ("plan", "batch"):
        variables = prod.function(name)["Environment"]["Variables"]
        assert variables["SHARD_MEMORY_MIB"] == str(shard["MemorySize"])
