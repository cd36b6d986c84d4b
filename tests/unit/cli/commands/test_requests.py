"""``serval requests``, ``request`` and ``redrive``: async requests, their results, dead letters."""

import json
from pathlib import Path

import pytest

from serval.models.deployed_fleets import LAMBDA
from serval.requests.ids import row_id
from serval_cli.commands.heavy import requests as requests_command
from tests.fakes.fleet_stage import FleetStage

RESULT = b'{"model_name": "textgen", "outputs": []}'


@pytest.fixture
def user(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> FleetStage:
    """Build a user at a terminal."""
    return FleetStage(monkeypatch, capsys)


def ids(user: FleetStage, *words: str) -> list[str]:
    listed = user.serval("requests", *words, "--json").value["requests"]
    return [row["id"] for row in listed]


def test_requests_of_every_fleet_model_come_newest_first(user: FleetStage) -> None:
    user.ask("old", age_seconds=60, model="resnet", status="succeeded", version="3")
    user.ask("new")
    user.ask("older", age_seconds=90, status="failed", error="out\nof memory")
    assert ids(user) == ["new", "old", "older"]
    assert ids(user, "textgen") == ["new", "older"]
    assert ids(user, "--limit", "2") == ["new", "old"]
    out = user.serval("requests").out
    for said in ("older", "failed", "out of memory", "succeeded"):
        assert said in out
    assert user.serval("requests", "--json").value["requests"][2]["error"] == "out\nof memory"


def test_requests_of_a_status_are_found_behind_newer_ones(user: FleetStage) -> None:
    user.ask("waits", age_seconds=900)
    user.ask("failed", age_seconds=800, status="failed")
    for number in range(30):
        user.ask(f"done{number}", status="succeeded")
    assert ids(user, "--status", "queued") == ["waits"]
    assert ids(user, "--status", "failed", "--limit", "1") == ["failed"]
    assert ids(user, "resnet", "--status", "queued") == []
    assert len(ids(user, "--status", "succeeded")) == 20


def test_what_is_open_is_found_however_old_it_is(
    user: FleetStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests_command, "SEARCHED", 5)
    user.ask("runs", age_seconds=90_000, status="running")
    for number in range(30):
        user.ask(f"done{number}", status="succeeded")
    assert ids(user, "--status", "running") == ["runs"]


def test_a_search_that_ends_says_so(user: FleetStage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests_command, "SEARCHED", 5)
    user.ask("failed", age_seconds=800, status="failed")
    for number in range(5):
        user.ask(f"done{number}", status="succeeded")
    ended = user.serval("requests", "--status", "failed")
    assert "no async requests" in ended.out
    assert "textgen: only its newest 5 requests were looked at" in ended.err


def test_a_request_shows_its_attempts_and_why_it_failed(user: FleetStage) -> None:
    user.ask("r1", status="failed", attempts=3, error="out of memory", runner=None, version="2")
    value = user.serval("request", "r1", "--json").value
    assert (value["status"], value["attempts"], value["error"]) == ("failed", 3, "out of memory")
    assert not {"payload", "body_hash", "submitter"} & value.keys()
    out = user.serval("request", "r1").out
    for said in ("textgen on fleet gpu, version 2: failed", "attempts: 3 of 3", "- out of memory"):
        assert said in out


def test_a_request_of_a_pipeline_shows_which_versions_its_steps_asked(user: FleetStage) -> None:
    user.ask("r1", status="succeeded", step_versions='{"tags": "3", "words": "1"}')
    value = user.serval("request", "r1", "--json").value
    assert value["step_versions"] == {"tags": "3", "words": "1"}
    assert "versions of its steps: tags=3, words=1" in user.serval("request", "r1").out


def test_a_request_that_is_to_be_cancelled_says_so(user: FleetStage) -> None:
    user.ask("r1", status="running", cancel_requested=True, runner="w1")
    out = user.serval("request", "r1").out
    assert "running, asked to be cancelled" in out
    assert "runs on: w1" in out


def test_a_result_goes_to_a_file_or_to_stdout(user: FleetStage, tmp_path: Path) -> None:
    user.ask("r1", status="succeeded", response_key="async/r1/1/response", response_bytes=40)
    user.payloads.objects["async/r1/1/response"] = RESULT
    target = tmp_path / "result.json"

    ended = user.serval("request", "r1", "--result", str(target), "--json")
    printed = user.serval("request", "r1", "--result", "-")

    assert target.read_bytes() == RESULT
    assert (ended.value["status"], json.loads(printed.out)) == ("succeeded", json.loads(RESULT))
    assert "result.json: 40 bytes (JSON)" in " ".join(ended.err.split())
    assert "stdout: 40 bytes (JSON)" in printed.err


def test_a_binary_result_says_where_its_json_ends(user: FleetStage, tmp_path: Path) -> None:
    user.ask("r1", status="succeeded", response_key="k", response_header_length=12)
    user.payloads.objects["k"] = b"x" * 30
    ended = user.serval("request", "r1", "--result", str(tmp_path / "result"))
    assert "30 bytes (12 bytes of JSON, then binary tensors)" in " ".join(ended.err.split())


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"status": "queued"}, "async request r1 has no result, it is queued"),
        ({"status": "failed", "error": "no GPU"}, "has no result, it is failed: no GPU"),
        ({"status": "succeeded", "response_key": "k"}, "the result of async request r1 is gone: k"),
    ],
)
def test_a_result_that_is_not_there_fails(
    user: FleetStage, tmp_path: Path, members: dict[str, str], said: str
) -> None:
    user.ask("r1", **members)
    assert said in user.serval("request", "r1", "--result", str(tmp_path / "x")).failure
    assert list(tmp_path.iterdir()) == []


def test_a_request_that_is_not_there_says_what_may_have_been(user: FleetStage) -> None:
    assert (
        "there is no async request 'r9': it was never made" in user.serval("request", "r9").failure
    )


def test_json_and_a_result_do_not_share_stdout(user: FleetStage) -> None:
    failure = user.serval("request", "r1", "--json", "--result", "-").failure
    assert "both print on stdout: choose one" in failure


def test_dead_letters_go_back_to_work(user: FleetStage) -> None:
    user.awake()
    for number in range(12):
        user.dead(f"r{number}", "out of memory")
    user.ask("done", status="succeeded")
    user.queues.letters.add("textgen", "done")

    value = user.serval("redrive", "textgen", "--json").value

    assert (value["model"], value["counts"]) == ("textgen", {"queued": 12, "succeeded": 1})
    assert value["redriven"][0] == {"id": "r0", "fate": "queued", "reason": "out of memory"}
    assert user.queues.sent["textgen"] == [f"r{n}" for n in range(12)]
    assert user.requests.rows["r11"].status == "queued"
    assert user.queues.letters.waiting["textgen"] == []


def test_redriving_wakes_the_fleet(user: FleetStage) -> None:
    user.dead("r1", "out of memory")
    user.serval("redrive", "textgen")
    assert user.fleet_states.find("gpu").machines == 1
    assert user.enabled == ["serval-local-tick"]


def test_redriving_shows_how_far_it_is_and_ends_with_a_summary(user: FleetStage) -> None:
    for number in range(3):
        user.dead(f"r{number}", "out of memory")
    ended = user.serval("redrive", "textgen", "--limit", "2")
    assert "redriven" in ended.err
    assert "2/2" in ended.err
    assert (
        "textgen: 2 dead letters\n  2 begin again: `serval requests textgen` follows" in ended.out
    )
    assert len(user.queues.letters.waiting["textgen"]) == 1


def test_inspecting_leaves_dead_letters_where_they_are(user: FleetStage) -> None:
    user.dead("r1", "out of memory")
    user.queues.letters.add("textgen", "gone", "too many receipts")
    value = user.serval("redrive", "textgen", "--inspect", "--json").value
    assert [(one["id"], one["reason"], one["status"]) for one in value["dead_letters"]] == [
        ("r1", "out of memory", "failed"),
        ("gone", "too many receipts", "expired"),
    ]
    assert len(user.queues.letters.waiting["textgen"]) == 2
    assert user.requests.rows["r1"].status == "failed"
    out = user.serval("redrive", "textgen", "--inspect").out
    assert "out of memory" in out
    assert "`serval redrive textgen` sends them back to work" in out


def test_a_model_without_dead_letters_says_so(user: FleetStage) -> None:
    assert user.serval("redrive", "textgen", "--inspect").out == "textgen has no dead letters\n"
    ended = user.serval("redrive", "textgen")
    assert (ended.code, ended.out) == (0, "textgen has no dead letters\n")


def test_requests_are_known_by_the_ids_that_callers_chose(user: FleetStage) -> None:
    for model in ("textgen", "resnet"):
        user.ask(row_id(model, "order-1"), chosen="order-1", model=model, status="failed")
    user.queues.letters.add("resnet", row_id("resnet", "order-1"))
    assert ids(user) == ["order-1", "order-1"]
    value = user.serval("request", "order-1", "--model", "resnet", "--json").value
    assert (value["id"], value["model"]) == ("order-1", "resnet")
    ended = user.serval("request", "order-1")
    assert "models 'resnet' and 'textgen' have one each" in ended.err
    dead = user.serval("redrive", "resnet", "--inspect", "--json").value["dead_letters"]
    assert [letter["id"] for letter in dead] == ["order-1"]
    redriven = user.serval("redrive", "resnet", "--json").value["redriven"]
    assert [one["id"] for one in redriven] == ["order-1"]


def test_requests_of_a_model_on_lambda_are_shown_and_redriven_alike(user: FleetStage) -> None:
    user.ask("r1", model="iris", fleet=LAMBDA, status="failed", error="out of memory")
    user.queues.letters.add("iris", "r1", "out of memory")
    assert ids(user) == ids(user, "iris") == ["r1"]
    assert "iris on Lambda: failed" in user.serval("request", "r1").out
    assert user.serval("redrive", "iris", "--json").value["counts"] == {"queued": 1}
    assert user.queues.sent["iris"] == ["r1"]
    assert user.enabled == [], "there is no fleet to wake"


@pytest.mark.parametrize("command", ["requests", "redrive"])
def test_a_model_that_is_none_is_named(user: FleetStage, command: str) -> None:
    assert "'nobody' is not registered" in user.serval(command, "nobody").failure
