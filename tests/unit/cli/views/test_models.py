"""serval_cli/views/models.py, arrays.py and output.py: how results look to people."""

import json
from typing import Any

import pytest

from serval.rollouts.history import without_canary
from serval_cli.output import complain, show
from serval_cli.views import models as views
from serval_cli.views import rollouts as rollout_views
from serval_cli.views.arrays import preview

KEY = {
    "id": "5b097db6434e",
    "name": "[bold]ci",
    "models": ["iris", "digits"],
    "created": "2026-11-21T02:44:01.140Z",
    "revoked": None,
    "last_used": None,
    "rate_per_minute": 600,
}
ROUTE = {"stable": "2", "candidate": "3", "percent": 10}
DESCRIPTION: dict[str, Any] = {
    "model": "iris",
    "description": "Flowers",
    "route": ROUTE,
    "versions": ["2", "3"],
    "published": [
        {"version": v, "created": "2026", "digest": "a" * 64, "artifact_bytes": 12345} for v in "23"
    ],
    "signature": {
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}],
        "outputs": [{"name": "y", "datatype": "INT64", "shape": [-1]}],
    },
    "rollouts": [{"rollout": "u1", "status": "refused", "reason": "no graph\nno name"}],
}
RUNNING = {
    "rollout": "u2",
    "status": "running",
    "step": "canary",
    "percent": 10,
    "paused": True,
    "reason": "baking at 10 %",
}
PUSHED = {"model": "iris", "upload": "u1", "stage": "local", "version": "3", "reason": ""}


def show_view(value: Any, view: Any, capsys: pytest.CaptureFixture[str]) -> str:
    show(value, view, as_json=False)
    return capsys.readouterr().out


def test_a_version_without_a_canary_is_said_to_be_live_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    value = PUSHED | {"status": "promoted", "reason": without_canary("3")}
    said = show_view(value, views.push, capsys)
    assert said == "version 3 of iris is live on stage local\n"


@pytest.mark.parametrize(
    ("view", "value", "said"),
    [
        (views.models, {"models": []}, ["no models yet: `serval push"]),
        (
            views.models,
            {"models": [{"name": "iris", "description": "Flowers", **ROUTE}]},
            ["iris", "version 2 90 %, candidate 3 10 %", "Flowers"],
        ),
        (
            views.description,
            DESCRIPTION,
            ["iris", "candidate 3 10 %", "[-1, 4]", "12,345 B", "no graph", "no name", "stable"],
        ),
        (
            views.description,
            DESCRIPTION | {"rollouts": [RUNNING]},
            ["running: canary 10 %, paused", "baking at 10 %"],
        ),
        (
            views.description,
            DESCRIPTION | {"route": None, "signature": None, "published": []},
            ["no version has been published", "refused"],
        ),
        (
            views.push,
            PUSHED | {"status": "uploaded"},
            ["is complete", "serval rollout iris --watch"],
        ),
        (
            views.push,
            PUSHED | {"status": "promoted", "reason": "no harm in 300 requests"},
            ["version 3 of iris is live on stage local: no harm in 300 requests\n"],
        ),
        (
            views.push,
            PUSHED | {"status": "refused", "reason": "no graph\nno name"},
            ["refused", "  - no graph", "  - no name"],
        ),
        (views.keys, {"keys": []}, ["no API keys yet"]),
        (views.keys, {"keys": [KEY]}, ["[bold]ci", "iris, digits", "600", "never"]),
        (views.keys, {"keys": [KEY | {"models": ["*"]}]}, ["all models"]),
        (
            views.created_key,
            KEY | {"key": "srv_x", "callback_secret": "whsec_y"},
            ["srv_x\n", "iris, digits; ", "shown once", "600 async requests a minute", "whsec_y\n"],
        ),
        (views.revoked_key, KEY | {"revoked": "2026"}, ["is revoked since 2026"]),
        (
            views.inference,
            {
                "model_name": "iris",
                "model_version": "2",
                "outputs": [{"name": "y", "datatype": "FP32", "shape": [2, 1], "data": [0.5, 1]}],
            },
            ["iris version 2", "[0.5]", "[1]"],
        ),
        (
            views.invocation,
            {"function": "infer", "error": "Unhandled", "response": {"a": 1}, "log": "START\n"},
            ["infer failed: Unhandled", '"a": 1', "START"],
        ),
    ],
)
def test_a_view_shows_what_matters(
    view: Any, value: Any, said: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    text = show_view(value, view, capsys)
    for part in said:
        assert part in text


def test_json_is_the_value_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    show(DESCRIPTION, views.description, as_json=True)
    assert json.loads(capsys.readouterr().out) == DESCRIPTION


def test_what_is_long_is_not_broken_into_lines(capsys: pytest.CaptureFixture[str]) -> None:
    key = KEY | {"key": "srv_" + "x" * 300, "callback_secret": "whsec_y"}
    assert key["key"] in show_view(key, views.created_key, capsys)
    complain("word " * 100)
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("shape", "data", "text"),
    [
        ([], [1.5], "[1.5]"),
        ([2], ["a", None], '["a", null]'),
        ([2, 2], [1, 2, 3, 4], "[1, 2]\n[3, 4]"),
        ([2, 1, 2], [1, 2, 3, 4], "[1, 2]\n[3, 4]"),
        ([0, 4], [], ""),
        ([3, 0], [], "… 3 more rows"),
        ([2, 2], None, "(binary)"),
    ],
)
def test_a_tensor_is_shown_by_its_rows(shape: list[int], data: Any, text: str) -> None:
    assert preview(shape, data) == text


def test_a_large_tensor_is_cut() -> None:
    text = preview([100, 50], list(range(5000)))
    assert text.splitlines()[0].endswith("11, … 38 more]")
    assert text.splitlines()[-1] == "… 90 more rows"
    assert len(text.splitlines()) == 11


def test_a_golden_check_that_says_nothing_of_a_fleets_latency_shows_none() -> None:
    nothing = {"largest_difference": None, "requests": 0, "p50_ms": None, "form": None}
    assert rollout_views.golden(nothing) == "nothing could be run; see the notes"
    stood_in = {"largest_difference": 1e-6, "requests": 3, "p50_ms": None, "form": "portable"}
    assert rollout_views.golden(stood_in) == (
        "largest difference 1e-06 in 3 requests; latency and memory are its fleet's, and not "
        "measured; form portable"
    )


@pytest.mark.parametrize("columns", [80, 60])
def test_a_table_that_does_not_fit_breaks_no_word(
    columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    text = show_view({"keys": [KEY | {"name": "my-application-ci"}]}, views.keys, capsys)
    assert max(map(len, text.splitlines())) <= columns
    for word in ("5b097db6434e", "my-application-ci", "2026-11-21", "a minute"):
        assert word in text
    monkeypatch.setenv("COLUMNS", "160")
    wide = show_view({"keys": [KEY]}, views.keys, capsys)
    (row,) = [line for line in wide.splitlines() if "5b097db6434e" in line]
    assert "2026-11-21" in row


def test_texts_are_shown_as_texts(capsys: pytest.CaptureFixture[str]) -> None:
    answered = {"shape": [2, 3], "datatype": "UINT8", "data": [*b"hi", 0, *b"you"], "name": "y"}
    assert show_view({"outputs": [answered]}, views.text_answer, capsys) == "hi\nyou\n"
    numbers = answered | {"datatype": "FP32"}
    assert "FP32" in show_view({"outputs": [numbers]}, views.text_answer, capsys)
