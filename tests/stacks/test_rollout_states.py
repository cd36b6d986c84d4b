"""A rollout walked through: which functions are called with what, until the rollout ends."""

from typing import Any

import pytest

from tests.stacks.synthesis import Synthesised
from tests.stacks.walk import StepFailed, Walk

STEPS = ("claim", "verify", "optimise", "golden", "register", "evaluate")
ROLLOUT = {"model": "iris", "rollout": "upload-1"}
EVENT = {"detail": {"object": {"key": "incoming/iris/upload-1/manifest.json"}}}
FILE = {"path": "model.onnx", "sha256": "a" * 64, "size_bytes": 1}
UPLOAD = {**ROLLOUT, "files": [FILE]}
VERIFIED = {"files": [FILE], "bundle": {"name": "iris"}}
REPORT = {"largest_difference": 0.0}
ANSWERS: dict[str, Any] = {
    "claim": {
        "outcome": "passed",
        **ROLLOUT,
        "upload": UPLOAD,
        "urls": "packed",
        "golden_function": "golden",
    },
    "verify": {"outcome": "passed", "verified": VERIFIED},
    "optimise": {"outcome": "passed", "reasons": [], "forms": ["portable"], "notes": []},
    "golden": {"outcome": "passed", "golden": REPORT},
    "register": {"outcome": "passed", "status": "running", "wait_seconds": 2},
    "evaluate": {"status": "promoted", "wait_seconds": 0},
    "conclude": {"status": "refused", "reason": "because"},
}


def walk(stage: Synthesised, **answers: Any) -> Walk:
    """Walk through a rollout where some steps answer otherwise."""
    done = Walk(stage.rollout, ANSWERS | answers)
    done.run(EVENT)
    return done


def test_a_good_upload_goes_through_every_step_in_turn(prod: Synthesised) -> None:
    done = walk(prod)
    assert [name for name, _ in done.calls] == list(STEPS)
    assert done.visited[-1] == "Done"
    assert dict(done.calls) == {
        "claim": {"event": EVENT, "owner": "execution-1"},
        "verify": {"upload": UPLOAD, "urls": "packed"},
        "optimise": {"upload": UPLOAD, "verified": VERIFIED},
        "golden": {"upload": UPLOAD, "verified": VERIFIED, "forms": ["portable"]},
        "register": {
            "upload": UPLOAD,
            "verified": VERIFIED,
            "optimised": ANSWERS["optimise"],
            "golden": REPORT,
        },
        "evaluate": ROLLOUT,
    }


def test_the_golden_check_runs_where_the_claim_says(prod: Synthesised) -> None:
    claim = ANSWERS["claim"] | {"golden_function": "golden-heavier"}
    done = walk(prod, claim=claim, **{"golden-heavier": ANSWERS["golden"]})
    assert [name for name, _ in done.calls][3] == "golden-heavier"


def test_an_event_that_begins_no_rollout_ends_at_once(prod: Synthesised) -> None:
    done = walk(prod, claim={"outcome": "ignored", "reasons": ["claimed before"]})
    assert done.visited == ["Claim", "After claim", "Done"]


@pytest.mark.parametrize("step", STEPS[:5])
def test_a_refusal_is_concluded_with_the_steps_reasons(prod: Synthesised, step: str) -> None:
    refused = {"outcome": "refused", "reasons": ["a reason", "another"], **ROLLOUT}
    done = walk(prod, **{step: refused})
    called = [name for name, _ in done.calls]
    assert called == [*STEPS[: STEPS.index(step) + 1], "conclude"]
    assert done.calls[-1][1] == ROLLOUT | {"reasons": ["a reason", "another"]}
    assert done.visited[-1] == "Done"


@pytest.mark.parametrize(
    "error", ["Runtime.ExitError", "States.Timeout", "States.DataLimitExceeded"]
)
@pytest.mark.parametrize("step", [step for step in STEPS if step != "optimise"])
def test_a_failure_is_concluded_with_what_is_known_of_it(
    prod: Synthesised, step: str, error: str
) -> None:
    done = walk(prod, **{step: StepFailed(error, "signal: killed")})
    called = [name for name, _ in done.calls]
    assert called == [*STEPS[: STEPS.index(step) + 1], "conclude"]
    concluded = done.calls[-1][1]
    assert concluded["error"] == {"Error": error, "Cause": "signal: killed"}
    if step == "claim":
        assert concluded["event"]["detail"]["object"]["key"].endswith("manifest.json")
    else:
        assert concluded == ROLLOUT | {"error": concluded["error"]}
    assert done.visited[-1] == "Done"


@pytest.mark.parametrize("error", ["Runtime.ExitError", "States.Timeout"])
def test_a_version_goes_on_without_forms_when_optimising_fails(
    prod: Synthesised, error: str
) -> None:
    done = walk(prod, optimise=StepFailed(error, "signal: killed"))
    (golden,) = [payload for name, payload in done.calls if name == "golden"]
    (register,) = [payload for name, payload in done.calls if name == "register"]
    assert golden["forms"] == []
    assert register["optimised"]["notes"][0].startswith("no forms: optimising failed")


@pytest.mark.parametrize("noted", ["optimising", "checking golden", "registering"])
def test_a_rollout_that_ended_meanwhile_goes_no_further(prod: Synthesised, noted: str) -> None:
    ended = StepFailed("DynamoDB.ConditionalCheckFailedException")
    done = walk(prod, **{f"Note {noted}": ended})
    assert done.visited[-3:] == [f"Note {noted}", "Fail", "Done"]


@pytest.mark.parametrize("status", ["promoted", "superseded"])
def test_a_version_without_a_canary_is_done_when_it_is_registered(
    prod: Synthesised, status: str
) -> None:
    done = walk(prod, register={"outcome": "passed", "status": status, "wait_seconds": 0})
    assert done.visited[-2:] == ["After register", "Done"]


def test_the_canary_is_looked_at_after_each_wait_until_there_is_a_verdict(
    prod: Synthesised,
) -> None:
    looks = [
        {"status": "running", "wait_seconds": 60},
        {"status": "running", "wait_seconds": 300},
        {"status": "rolled back", "wait_seconds": 0},
    ]
    done = walk(prod, evaluate=lambda: looks.pop(0))
    assert done.waited == [2, 60, 300]
    assert [payload for name, payload in done.calls if name == "evaluate"] == [ROLLOUT] * 3
    assert done.visited[-2:] == ["After evaluate", "Done"]


def test_only_a_running_rollout_is_noted(prod: Synthesised) -> None:
    done = walk(prod)
    steps = [note["ExpressionAttributeValues"][":step"]["S"] for note in done.updates]
    assert steps == ["optimising", "checking golden", "registering"]
    for note in done.updates:
        assert note["Key"] == {"pk": {"S": "MODEL#iris"}, "sk": {"S": "ROLLOUT#upload-1"}}
        assert note["ConditionExpression"] == "#status = :running"
        assert note["ExpressionAttributeValues"][":running"] == {"S": "running"}
