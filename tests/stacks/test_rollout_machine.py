"""The state machine of rollouts as a whole: its shape, retries, log, rights and trigger."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from serval.rollouts.policy.canary_policy import CanaryPolicy
from serval.rollouts.policy.decide import HOLD_DAYS, Step, seconds_to_next_look
from tests.stacks.definitions import leads_to, reached_states, refusals
from tests.stacks.synthesis import Synthesised, as_list

SERVICE_FAILURES = {
    "ArtifactUnavailable",
    "HTTPError",
    "URLError",
    "TimeoutError",
    "ConnectionResetError",
    "Lambda.AWSLambdaException",
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.SdkClientException",
    "Lambda.ServiceException",
    "Lambda.TooManyRequestsException",
}
LIMIT_EVENTS = 25_000
"""In an execution's history."""
EVENTS = {"Wait": 2, "Task": 5, "Choice": 2}
"""Entered and exited; a task is scheduled, started and succeeds in between."""


@pytest.fixture(scope="session")
def states(prod: Synthesised) -> Mapping[str, Any]:
    return dict(prod.rollout["States"])


def test_the_definition_is_what_step_functions_takes(prod: Synthesised, tmp_path: Path) -> None:
    assert refusals(prod.rollout, tmp_path) == ""


def test_every_state_is_reached_and_every_target_is_there(prod: Synthesised) -> None:
    assert reached_states(prod.rollout) == prod.rollout["States"].keys()


def test_from_every_state_there_is_a_way_to_the_one_end(states: Mapping[str, Any]) -> None:
    assert {state["Type"] for state in states.values() if state.get("End")} == set()
    ends = {name for name, state in states.items() if not leads_to(state)}
    assert {name: states[name]["Type"] for name in ends} == {"Done": "Succeed"}
    arriving = set(ends)
    while more := {n for n, s in states.items() if leads_to(s) & arriving} - arriving:
        arriving |= more
    assert arriving == states.keys()


def test_two_steps_may_hold_as_long_as_the_policy_lets_them(states: Mapping[str, Any]) -> None:
    loop = [states[name]["Type"] for name in ("Bake", "Evaluate", "After evaluate")]
    assert states["Bake"]["Next"] == "Evaluate"
    assert states["Evaluate"]["Next"] == "After evaluate"
    looks, age = 0, 0.0
    while age < HOLD_DAYS * 86400:
        age += seconds_to_next_look(CanaryPolicy(), Step(10, age))
        looks += 1
    assert 2 * looks * sum(EVENTS[kind] for kind in loop) < LIMIT_EVENTS


@pytest.mark.parametrize("step", ["verify", "optimise", "golden"])
def test_a_step_that_the_upload_made_fail_is_not_tried_again(
    states: Mapping[str, Any], step: str
) -> None:
    retried = {e for retry in states[step.capitalize()]["Retry"] for e in retry["ErrorEquals"]}
    assert retried == SERVICE_FAILURES


@pytest.mark.parametrize("step", ["claim", "register", "evaluate"])
def test_a_step_that_may_be_repeated_is_tried_again(states: Mapping[str, Any], step: str) -> None:
    *_, last = states[step.capitalize()]["Retry"]
    assert last["ErrorEquals"] == ["States.ALL"]
    assert last["MaxAttempts"] >= 3


def test_the_conclusion_is_tried_for_half_an_hour(states: Mapping[str, Any]) -> None:
    concluding = [s for s in states.values() if str(s.get("Resource")).endswith(":conclude")]
    assert len(concluding) == 7
    for state in concluding:
        *_, last = state["Retry"]
        waits = [
            last["IntervalSeconds"] * last["BackoffRate"] ** n for n in range(last["MaxAttempts"])
        ]
        assert last["ErrorEquals"] == ["States.ALL"]
        assert sum(waits) > 1800


def test_presigned_urls_go_to_verify_and_into_no_log(
    states: Mapping[str, Any], prod: Synthesised
) -> None:
    given = {name for name, s in states.items() if "urls" in json.dumps(s.get("Parameters", {}))}
    assert given == {"Verify"}
    machine = prod.machine("Rollouts")["Properties"]
    logging = machine["LoggingConfiguration"]
    assert (logging["Level"], logging["IncludeExecutionData"]) == ("ALL", False)


def test_the_machine_is_created_after_its_rights(prod: Synthesised) -> None:
    machine = prod.machine("Rollouts")
    resources = prod.templates["api"]["Resources"]
    kinds = {resources[name]["Type"] for name in as_list(machine["DependsOn"])}
    assert "AWS::IAM::Policy" in kinds


def test_an_upload_starts_a_rollout_or_ends_in_the_dead_letter_queue(prod: Synthesised) -> None:
    rule = prod.upload_rule("Rollouts")
    (target,) = rule["Targets"]
    assert prod.resource("api", target["Arn"]["Ref"]) == prod.machine("Rollouts")
    queue = prod.resource("api", target["DeadLetterConfig"]["Arn"]["Fn::GetAtt"][0])
    assert queue["Type"] == "AWS::SQS::Queue"
    assert "RedrivePolicy" not in queue["Properties"]
    assert target["RetryPolicy"]["MaximumRetryAttempts"] > 0
