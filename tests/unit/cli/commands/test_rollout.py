"""``serval rollout``, ``promote`` and ``rollback``: what people do to rollouts, rightly and not."""

from dataclasses import replace

import pytest

from serval.rollouts.policy.decide import Promote
from tests.fakes.command_line import YESTERDAY, CommandLine
from tests.fakes.rollouts import MODEL, RollingModel, seen


@pytest.fixture
def model() -> RollingModel:
    """Build a model whose first version is stable."""
    made = RollingModel(now=YESTERDAY)
    made.roll_out("a")
    return made


@pytest.fixture
def user(
    model: RollingModel, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> CommandLine:
    """Build a user at a terminal."""
    return CommandLine(monkeypatch, capsys, model)


# Show


def test_a_model_may_come_first(user: CommandLine, model: RollingModel) -> None:
    model.roll_out("b")
    short = user.serval("rollout", MODEL, "--json").value
    assert short == user.serval("rollout", "show", MODEL, "--json").value
    assert short == user.serval("rollout", "--json", MODEL).value
    assert (short["rollout"], short["status"], short["percent"]) == ("u2", "running", 10)
    assert short["steps_percent"] == [10, 50]


def test_a_rollout_is_shown_to_people(user: CommandLine, model: RollingModel) -> None:
    rollout = model.roll_out("b")
    model.control.note(rollout, reason="baking at 10 %", paused=True)
    out = user.serval("rollout", MODEL).out
    assert "iris: rollout u2" in out
    assert "running: canary 10 %, paused" in out
    assert "version 2, measured against version 1" in out
    assert "steps: [10 %] → 50 % → promoted" in out
    assert "  - baking at 10 %" in out


def test_the_one_with_a_share_is_shown_before_one_that_verifies(
    user: CommandLine, model: RollingModel
) -> None:
    model.roll_out("b")
    model.claim()
    assert user.serval("rollout", MODEL, "--json").value["rollout"] == "u2"
    assert user.serval("rollout", MODEL, "u3", "--json").value["step"] == "claimed"


def test_without_one_that_runs_the_newest_is_shown(user: CommandLine, model: RollingModel) -> None:
    model.control.refuse(model.claim(), "no graph\nno name")
    shown = user.serval("rollout", MODEL)
    assert (shown.code, "refused" in shown.out) == (0, True)
    assert "  - no graph\n  - no name" in shown.out


@pytest.mark.parametrize(("status", "code"), [("promoted", 0), ("rolled back", 1)])
def test_watching_ends_with_the_rollout(
    user: CommandLine, model: RollingModel, status: str, code: int
) -> None:
    rollout = model.roll_out("b")
    if status == "promoted":
        model.control.apply(rollout, Promote("no harm"))
    else:
        model.control.abort(rollout, "errors")
    watched = user.serval("rollout", MODEL, "u2", "--watch")
    assert watched.code == code
    assert watched.out.splitlines()[-1].split(" ", 1)[1].startswith(f"{status}: ")


def test_watching_prints_a_json_value_a_line(user: CommandLine) -> None:
    watched = user.serval("rollout", MODEL, "--watch", "--json")
    assert watched.out.count("\n") == 1
    assert watched.value["status"] == "promoted"


# Pause, resume, abort, promote


def test_a_paused_rollout_takes_no_step_until_it_is_resumed(
    user: CommandLine, model: RollingModel
) -> None:
    name = model.roll_out("b").rollout
    assert user.serval("rollout", "pause", MODEL, "--json").value["paused"] is True
    assert model.pass_step(name).reason == "paused at 10 %"
    assert user.serval("rollout", "resume", MODEL, "--json").value["paused"] is False
    assert model.pass_step(name).percent == 50


def test_pausing_says_what_it_does_not_stop(user: CommandLine, model: RollingModel) -> None:
    model.roll_out("b")
    out = user.serval("rollout", "pause", MODEL).out
    assert "still backs out by itself" in out
    assert "`serval rollout resume iris`" in out
    assert "goes on" in user.serval("rollout", "resume", MODEL).out


def test_an_aborted_rollout_says_what_answers_now(user: CommandLine, model: RollingModel) -> None:
    model.roll_out("b")
    out = user.serval("rollout", "abort", MODEL).out
    assert "rollout u2 of iris: rolled back, version 2, by hand" in out
    assert "traffic: version 1; in effect everywhere within 5 s" in out
    assert seen(model.route) == ("1", None, 0)


def test_an_upload_that_still_verifies_can_be_aborted(
    user: CommandLine, model: RollingModel
) -> None:
    claimed = model.claim()
    assert user.serval("rollout", "abort", MODEL, "--json").value["status"] == "rolled back"
    assert model.begin(claimed, "b").status == "rolled back"


def test_the_first_upload_of_a_model_can_be_aborted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = RollingModel(now=YESTERDAY)
    model.claim()
    out = CommandLine(monkeypatch, capsys, model).serval("rollout", "abort", MODEL).out
    assert "rolled back, by hand" in out
    assert "traffic: none" in out


def test_the_named_rollout_is_aborted_and_the_other_goes_on(
    user: CommandLine, model: RollingModel
) -> None:
    model.roll_out("b")
    model.claim()
    user.serval("rollout", "abort", MODEL, "u3")
    assert (model.record("u2").status, model.record("u3").status) == ("running", "rolled back")


def test_a_candidate_is_promoted_by_hand(user: CommandLine, model: RollingModel) -> None:
    model.roll_out("b")
    value = user.serval("promote", MODEL, "--json").value
    assert (value["status"], value["version"], value["reason"]) == ("promoted", "2", "by hand")
    assert value["route"] == {"stable": "2", "candidate": None, "percent": 0}
    assert value["effective_within_seconds"] == 5


def test_what_people_do_is_announced(user: CommandLine, model: RollingModel) -> None:
    model.roll_out("b")
    user.serval("rollout", "pause", MODEL)
    user.serval("promote", MODEL)
    assert user.sent[-1]["status"] == "promoted"
    assert {event["rollout"] for event in user.sent} == {"u2"}


# Rollback


def test_a_rollback_during_a_canary_ends_it(user: CommandLine, model: RollingModel) -> None:
    model.roll_out("b")
    value = user.serval("rollback", MODEL, "--json").value
    assert (value["rollout"], value["status"]) == ("u2", "rolled back")
    assert seen(model.route) == ("1", None, 0)


def test_a_rollback_to_the_stable_version_ends_the_canary(
    user: CommandLine, model: RollingModel
) -> None:
    model.roll_out("b")
    value = user.serval("rollback", MODEL, "--to", "1", "--json").value
    assert (value["rollout"], value["status"]) == ("u2", "rolled back")


def test_a_rollback_after_a_promotion_goes_to_the_version_before(
    user: CommandLine, model: RollingModel
) -> None:
    model.control.apply(model.roll_out("b"), Promote("no harm"))
    value = user.serval("rollback", MODEL, "--json").value
    assert (value["status"], value["version"], value["reason"]) == ("promoted", "1", "by hand")
    assert seen(model.route) == ("1", None, 0)
    again = user.serval("rollback", MODEL).failure
    assert "no version of iris was stable before version 1" in again


def test_a_rollback_leaves_an_upload_that_verifies_alone(
    user: CommandLine, model: RollingModel
) -> None:
    model.control.apply(model.roll_out("b"), Promote("no harm"))
    correction = model.claim()
    user.serval("rollback", MODEL)
    assert model.begin(correction, "c").status == "running"
    assert seen(model.route) == ("1", "3", 10)


def test_a_rollback_goes_to_any_version(user: CommandLine, model: RollingModel) -> None:
    for digest in "bc":
        model.control.apply(model.roll_out(digest), Promote("no harm"))
    running = model.roll_out("d").rollout
    out = user.serval("rollback", MODEL, "--to", "2").out
    assert "version 2 of iris is stable again" in out
    assert (seen(model.route), model.record(running).status) == (("2", None, 0), "superseded")
    user.serval("rollback", MODEL, "--to", "3")
    assert seen(model.route) == ("3", None, 0)


# Wrong use


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rollout", "absent"], "model 'absent' is not registered: `serval models`"),
        (["rollout", "show", "abort"], "model 'abort' is not registered"),
        (["rollout", MODEL, "u9"], "model 'iris' has no rollout 'u9': `serval describe iris`"),
        (["rollout", "pause", MODEL], "no rollout of iris is running: version 1 takes all"),
        (["rollout", "resume", "absent"], "model 'absent' is not registered"),
        (["rollout", "abort", MODEL], "`serval rollback iris` goes back to the version before"),
        (["rollout", "abort", MODEL, "u9"], "model 'iris' has no rollout 'u9'"),
        (["rollout", "abort", MODEL, "u1"], "rollout u1 of iris is promoted: version 1 takes all"),
        (["promote", MODEL], "no rollout of iris is running"),
        (["promote", "absent"], "model 'absent' is not registered"),
        (["rollback", MODEL], "no version of iris was stable before version 1: `serval versions"),
        (["rollback", MODEL, "--to", ""], "model 'iris' has no version ''"),
        (["rollback", "absent"], "model 'absent' is not registered"),
        (["rollback", "absent", "--to", "1"], "model 'absent' is not registered"),
        (["rollback", MODEL, "--to", "9"], "no version '9': `serval versions iris` lists those"),
        (["rollback", MODEL, "--to", "-1"], "no version '-1'"),
        (["versions", "absent"], "model 'absent' is not registered"),
        (["diff", MODEL, "1", "9"], "model 'iris' has no version '9': `serval versions iris`"),
        (["diff", "absent", "1", "2"], "model 'absent' is not registered"),
    ],
)
def test_what_cannot_be_done_says_what_can(
    user: CommandLine, model: RollingModel, words: list[str], said: str
) -> None:
    before = model.route
    assert said in user.serval(*words).failure
    assert model.route == before


@pytest.mark.parametrize(
    "words",
    [
        ["rollout"],
        ["rollout", "--watch"],
        ["rollout", "pause"],
        ["rollout", "abort", MODEL, "u1", "more"],
        ["rollout", MODEL, "--nope"],
        ["promote"],
        ["rollback", MODEL, "--to"],
        ["rollback", MODEL, "1"],
        ["versions"],
        ["diff", MODEL, "1"],
    ],
)
def test_wrong_usage_ends_with_2(user: CommandLine, words: list[str]) -> None:
    assert user.serval(*words).code == 2


def test_an_upload_that_verifies_cannot_be_promoted(user: CommandLine, model: RollingModel) -> None:
    model.control.note(model.claim(), step="checking golden")
    assert (
        "is still checking golden: only a version that passed every check"
        in user.serval("promote", MODEL).failure
    )


def test_a_promotion_that_was_faster_than_an_abort_is_told(
    user: CommandLine, model: RollingModel
) -> None:
    running = model.roll_out("b")
    route = model.route
    model.registry.rival = replace(route, stable="2", candidate=None, percent=0, revision=9)
    said = user.serval("rollout", "abort", MODEL).failure
    assert f"rollout {running.rollout} of iris is promoted" in said
