"""How a rollout stands, in a line and whole."""

from typing import Any

import pytest

from serval.models.registry import Rollout
from serval.rollouts.policy.canary_policy import CanaryPolicy
from serval_cli.output import show
from serval_cli.steering.rollout_state import (
    RolloutLines,
    describe_rollout,
    milliseconds,
    render_line,
)
from serval_cli.views import rollouts as rollout_views

STABLE = {
    "version": "1",
    "requests": 12345,
    "errors": 0,
    "error_percent": 0.0,
    "p50_ms": 3.25,
    "p95_ms": 4.5,
}
CANDIDATE = STABLE | {"version": "2", "requests": 1371, "errors": 7, "error_percent": 0.511}
WINDOW = {"start": "2026-11-21T10:15:00.000Z", "end": "2026-11-21T10:20:00.000Z"}
METRICS = {"window": WINDOW, "stable": STABLE, "candidate": CANDIDATE}
UNMEASURED = {
    name: {"version": "1", "requests": 0, "errors": 0}
    | dict.fromkeys(["error_percent", "p50_ms", "p95_ms"])
    for name in ("stable", "candidate")
}
GOLDEN = {
    "largest_difference": 1.5e-6,
    "requests": 12,
    "rows": 30,
    "p50_ms": 0.12,
    "p95_ms": 0.2,
    "peak_memory_mib": 98.4,
    "best_batch_size": 64,
    "form": "portable",
    "notes": ["slow machine"],
}


def rollout(**changes: Any) -> Rollout:
    values: dict[str, Any] = {
        "model": "iris",
        "rollout": "u2",
        "status": "running",
        "created": WINDOW["start"],
        "updated": WINDOW["end"],
        "step": "canary",
        "percent": 10,
        "version": "2",
        "baseline": "1",
        "reason": "baking at 10 %",
    }
    return Rollout(**(values | changes))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"step": "verifying", "percent": 0, "version": None, "reason": ""}, "verifying"),
        ({"step": "verifying", "paused": True}, "verifying, paused"),
        ({}, "version 2 gets 10 %; baking at 10 %"),
        ({"reason": "", "paused": True}, "version 2 gets 10 %, paused"),
        (
            {"details": {"metrics": METRICS}},
            "version 2 gets 10 %; baking at 10 %; candidate 1371 requests, 0.511 % errors, "
            "p95 4.5 ms; stable 12345 requests, 0 % errors, p95 4.5 ms",
        ),
        (
            {"details": {"metrics": {"window": None, **UNMEASURED}}},
            "version 2 gets 10 %; baking at 10 %",
        ),
        ({"status": "refused", "reason": "no graph\nno name"}, "refused: no graph; no name"),
    ],
)
def test_a_line_says_how_it_stands(changes: dict[str, Any], said: str) -> None:
    assert render_line(rollout(**changes)) == said


def test_a_line_is_said_once_for_each_change() -> None:
    said: list[str] = []
    lines = RolloutLines(said.append)
    for changes in ({}, {"updated": "2026-11-21T10:25:00.000Z"}, {"percent": 50}):
        lines.report(rollout(**changes))
    assert said == [
        "10:20:00 version 2 gets 10 %; baking at 10 %",
        "10:20:00 version 2 gets 50 %; baking at 10 %",
    ]


def test_a_canary_says_when_it_ends_at_the_latest() -> None:
    begun = rollout(percent_since=WINDOW["start"])
    latest = "ends by 2026-11-21T23:27 UTC at the latest"
    assert latest in render_line(begun, CanaryPolicy())
    assert (describe_rollout(begun, CanaryPolicy())["ends_by"] or "").startswith("2026-11-21T23:27")
    last = rollout(percent_since=WINDOW["start"], percent=50)
    assert (describe_rollout(last, CanaryPolicy())["ends_by"] or "").startswith("2026-11-21T17:27")


@pytest.mark.parametrize("changes", [{"paused": True}, {"status": "promoted"}, {"step": "claimed"}])
def test_a_rollout_that_a_person_holds_or_that_is_no_canary_names_no_end(
    changes: dict[str, Any],
) -> None:
    value = describe_rollout(rollout(percent_since=WINDOW["start"], **changes), CanaryPolicy())
    assert value["ends_by"] is None


def test_a_canary_that_waits_for_requests_names_no_end() -> None:
    waits = CanaryPolicy(when_idle="hold")
    assert "ends by" not in render_line(rollout(percent_since=WINDOW["start"]), waits)


def test_notes_of_every_step_stand_together() -> None:
    value = describe_rollout(rollout(details={"notes": ["no form"], "golden": GOLDEN}))
    assert value["notes"] == ["no form", "slow machine"]


def test_a_rollout_that_found_out_nothing_yet_is_described() -> None:
    value = describe_rollout(rollout(step="claimed"))
    assert [value[name] for name in ("metrics", "golden", "notes", "steps_percent")] == [
        None,
        None,
        [],
        None,
    ]


def show_rollout(value: Any, capsys: pytest.CaptureFixture[str]) -> str:
    show(value, rollout_views.rollout, as_json=False)
    return capsys.readouterr().out


def test_people_see_metrics_and_the_golden_check(capsys: pytest.CaptureFixture[str]) -> None:
    details = {"metrics": METRICS, "golden": GOLDEN, "notes": ["no form"]}
    out = show_rollout(describe_rollout(rollout(details=details), CanaryPolicy()), capsys)
    for said in (
        "12,345",
        "0.511 %",
        "3.25 ms",
        "metrics from 2026-11-21T10:15:00 to 2026-11-21T10:20:00",
        "largest difference 1.5e-06 in 12 requests",
        "98 MiB, best batch size 64, form portable",
        "notes:\n  - no form\n  - slow machine",
    ):
        assert said in out


def test_people_see_what_is_not_known(capsys: pytest.CaptureFixture[str]) -> None:
    details = {
        "metrics": {"window": None, **UNMEASURED},
        "golden": GOLDEN | {"largest_difference": None},
    }
    assert "complete when it ended" in show_rollout(
        describe_rollout(rollout(details=details, status="rolled back")), capsys
    )
    out = show_rollout(describe_rollout(rollout(details=details)), capsys)
    assert "no metrics were complete yet" in out
    assert "answers were compared with nothing" in out


def test_latencies_are_shown_in_a_width_that_suits_them() -> None:
    assert [milliseconds(value) for value in (None, 0.12345, 123.45, 12345.6)] == [
        "-",
        "0.1235 ms",
        "123.5 ms",
        "12,346 ms",
    ]
