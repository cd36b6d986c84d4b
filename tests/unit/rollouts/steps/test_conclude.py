"""The end of rollouts that a step refused, or that failed at a step."""

import json
from dataclasses import replace
from typing import Any

import pytest

from serval.rollouts.steps.conclude import Conclude
from tests.fakes.rollouts import MODEL, RollingModel, seen


def conclude(model: RollingModel, rollout: str | None = None, **event: Any) -> dict[str, Any]:
    known = {"model": MODEL, "rollout": rollout} if rollout else {}
    return {**Conclude(model.control, model.registry).conclude({**known, **event})}


def lambda_error(kind: str, message: str) -> dict[str, str]:
    return {
        "Error": kind,
        "Cause": json.dumps({"errorType": kind, "errorMessage": message, "stackTrace": []}),
    }


def test_an_upload_is_refused_with_every_reason():
    model = RollingModel()
    upload = model.claim().rollout
    verdict = conclude(model, upload, reasons=["no graph", "no name"])
    assert verdict == {"status": "refused", "reason": "no graph\nno name"}
    assert model.record(upload).status == "refused"
    assert MODEL not in model.registry.routes


def test_a_rollout_with_a_share_is_rolled_back():
    model = RollingModel()
    model.roll_out("a")
    canary = model.roll_out("b").rollout
    verdict = conclude(model, canary, error=lambda_error("ClientError", "no rights"))
    assert verdict["status"] == "rolled back"
    assert verdict["reason"] == "measuring the canary failed: ClientError: no rights"
    assert seen(model.route) == ("1", None, 0)


def test_a_rollout_whose_share_was_not_recorded_is_rolled_back_too():
    model = RollingModel()
    model.roll_out("a")
    upload = model.claim()
    model.begin(upload, "b")
    model.registry.rollout_records[MODEL, upload.rollout] = upload
    assert conclude(model, upload.rollout, reasons=["x"])["status"] == "rolled back"
    assert seen(model.route) == ("1", None, 0)


def test_a_verdict_stays():
    model = RollingModel()
    promoted = model.roll_out("a").rollout
    assert conclude(model, promoted, reasons=["late"])["status"] == "promoted"
    canary = model.roll_out("b").rollout
    newer = model.roll_out("c").rollout
    assert conclude(model, canary, reasons=["late"])["status"] == "superseded"
    assert seen(model.route) == ("1", "3", 10)
    assert conclude(model, newer, reasons=["x"]) == conclude(model, newer, reasons=["y"])


@pytest.mark.parametrize(("step", "status"), [("claimed", "refused"), ("verifying", "running")])
def test_a_claim_that_failed_ends_the_rollout_that_it_began_and_no_other(step: str, status: str):
    model = RollingModel()
    upload = model.claim().rollout
    model.registry.rollout_records[MODEL, upload] = replace(model.record(upload), step=step)
    created = {
        "bucket": {"name": "b"},
        "object": {"key": f"incoming/{MODEL}/{upload}/manifest.json"},
    }
    error = lambda_error("Crash", "killed")
    conclude(model, event={"detail": created}, error=error)
    assert model.record(upload).status == status


def test_without_a_rollout_there_is_nothing_to_end():
    model = RollingModel()
    error = {"Error": "States.Runtime", "Cause": "no such path"}
    assert conclude(model, error=error) == {
        "status": "refused",
        "reason": "gathering the upload failed: States.Runtime: no such path",
    }
    assert conclude(model, "unknown", reasons=["x"])["status"] == "refused"
    assert model.registry.rollout_records == {}


TOO_LARGE = "out of memory: the model needs more than this step has; try a smaller one"
CRASHED = "it crashed or ran out of memory: the runtime does not survive this model"
REQUEST = "RequestId: 2f6d1a54 Error: "


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            lambda_error("Sandbox.Timedout", f"{REQUEST}Task timed out after 300.00 seconds"),
            "it did not end within 300 seconds: "
            "the model hangs, or is too large or too slow for this step",
        ),
        (
            {"Error": "States.Timeout", "Cause": ""},
            "it did not end in time: the model hangs, or is too large or too slow for this step",
        ),
        (
            lambda_error(
                "Runtime.ExitError", f"{REQUEST}Runtime exited with error: signal: killed"
            ),
            TOO_LARGE,
        ),
        (lambda_error("MemoryError", "Unable to allocate 9.31 GiB"), TOO_LARGE),
        (
            lambda_error(
                "Runtime.ExitError",
                f"{REQUEST}Runtime exited with error: signal: segmentation fault",
            ),
            "it crashed (segmentation fault): the runtime does not survive this model",
        ),
        (
            lambda_error("Runtime.ExitError", f"{REQUEST}Runtime exited with error: exit status 1"),
            CRASHED,
        ),
        (lambda_error("Runtime.HandlerError", "Worker process died"), CRASHED),
        (
            {"Error": "Lambda.TooManyRequestsException", "Cause": "Rate Exceeded."},
            "too many functions run in this account at the moment; push again later",
        ),
        (lambda_error("ValueError", "the graph is odd"), "ValueError: the graph is odd"),
        ({"Error": "Odd", "Cause": "[1]"}, "Odd: [1]"),
        ({"Error": "", "Cause": ""}, "for no reason given"),
    ],
)
def test_failures_are_told_in_words(error: dict[str, str], words: str):
    model = RollingModel()
    upload = model.control.note(model.claim(), step="verifying").rollout
    verdict = conclude(model, upload, error=error)
    assert verdict == {"status": "refused", "reason": f"verifying the upload failed: {words}"}
