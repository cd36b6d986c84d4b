"""A look at a rollout: what is measured, what follows, and when to look again."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from serval.models.server_declaration import note_machines
from serval.rollouts.control import RolloutRefused
from serval.rollouts.steps.evaluate import SETTLING
from tests.fakes.evaluation import LAG, Canary
from tests.fakes.rollouts import MODEL, seen

ONE_PROCESS = {"kind": "http", "server": "lmi"}
"""Of which a process fills a machine."""


def test_a_good_candidate_takes_every_step_and_is_promoted():
    canary = Canary()
    assert seen(canary.model.route) == ("1", "2", 10)
    assert canary.evaluate() == {"status": "running", "wait_seconds": 60}
    canary.serve(300)
    assert canary.evaluate() == {"status": "running", "wait_seconds": 60}
    assert seen(canary.model.route) == ("1", "2", 50)
    canary.serve(300)
    assert canary.evaluate() == {"status": "promoted", "wait_seconds": 0}
    assert seen(canary.model.route) == ("2", None, 0)
    assert canary.evaluate() == {"status": "promoted", "wait_seconds": 0}


def test_a_failing_candidate_is_rolled_back_before_it_has_baked():
    canary = Canary()
    canary.serve(150, errors=1)
    assert canary.evaluate() == {"status": "rolled back", "wait_seconds": 0}
    assert seen(canary.model.route) == ("1", None, 0)
    assert "requests failed" in canary.record.reason


def test_a_slow_candidate_is_rolled_back_with_both_latencies():
    canary = Canary()
    canary.serve(200, latency_ms=20.0)
    assert canary.evaluate()["status"] == "rolled back"
    assert "latency: the candidate's p95 is over 20.0 ms" in canary.record.reason
    assert "10.0 ms" in canary.record.reason


def test_the_bundle_of_the_candidate_sets_the_limits():
    canary = Canary(max_error_percent=20.0, max_latency_ratio=3.0, bake_seconds=150)
    canary.serve(200, errors=1, latency_ms=20.0)
    assert canary.evaluate() == {"status": "running", "wait_seconds": 30}
    assert seen(canary.model.route) == ("1", "2", 50)


def test_metrics_are_judged_from_this_step_on_and_when_they_are_complete():
    canary = Canary()
    canary.serve(int(SETTLING.total_seconds()) - 1, errors=10)
    canary.serve(200)
    canary.serve(int(LAG.total_seconds()), errors=10)
    since = datetime.fromisoformat(canary.record.percent_since)
    assert canary.evaluate()["status"] == "running"
    for window in canary.metrics.windows:
        assert since + SETTLING <= window.start <= since + SETTLING + timedelta(seconds=10)
        assert window.end <= canary.model.now - LAG


def test_nothing_is_read_before_metrics_can_be_complete():
    canary = Canary()
    canary.serve(60)
    canary.evaluate()
    assert canary.metrics.windows == []
    assert canary.record.details["metrics"]["window"] is None


def test_the_metrics_of_both_versions_are_noted_beside_what_else_is_known():
    canary = Canary()
    canary.model.control.note(canary.record, details={"golden": {"rows": 3}})
    canary.serve(205, latency_ms=11.0)
    canary.evaluate()
    details = canary.record.details
    assert details["golden"] == {"rows": 3}
    assert details["metrics"]["stable"] == {
        "version": "1",
        "requests": 900,
        "errors": 0,
        "error_percent": 0.0,
        "p50_ms": 10.0,
        "p95_ms": 10.0,
    }
    assert details["metrics"]["candidate"]["version"] == "2"
    assert details["metrics"]["candidate"]["p95_ms"] == 11.0


def test_an_alarm_of_the_bundle_rolls_back():
    canary = Canary(alarms=["orders failing", "other"])
    canary.alarms.states = {"orders failing": "ALARM", "other": "OK"}
    assert canary.evaluate()["status"] == "rolled back"
    assert canary.record.reason == "alarm orders failing is in ALARM"


def test_an_alarm_that_does_not_exist_is_said_and_does_not_roll_back():
    canary = Canary(alarms=["orders failing"])
    assert canary.evaluate()["status"] == "running"
    assert canary.record.reason == ("baking at 10 %; no CloudWatch alarm is named 'orders failing'")


def test_a_paused_rollout_is_still_watched_but_takes_no_step():
    canary = Canary()
    canary.model.registry.record_rollout(replace(canary.record, paused=True))
    canary.serve(400)
    assert canary.evaluate()["status"] == "running"
    assert canary.record.percent == 10
    canary.serve(100, errors=5)
    canary.serve(100)
    assert canary.evaluate()["status"] == "rolled back"


def test_a_change_by_hand_ends_it():
    canary = Canary()
    canary.serve(400, errors=10)
    canary.model.control.go_to(MODEL, "2", "a person said so")
    assert canary.evaluate() == {"status": "superseded", "wait_seconds": 0}
    assert seen(canary.model.route) == ("2", None, 0)


def test_a_rollout_without_a_share_cannot_be_evaluated():
    canary = Canary()
    upload = canary.model.claim()
    with pytest.raises(RolloutRefused, match=f"{upload.rollout!r} .* no share of the traffic yet"):
        canary.evaluation.evaluate(MODEL, upload.rollout)
    with pytest.raises(RolloutRefused, match="has no rollout 'nothing'"):
        canary.evaluation.evaluate(MODEL, "nothing")


def test_a_rollout_that_takes_all_traffic_at_once_says_so():
    canary = Canary(runtime=ONE_PROCESS)
    assert seen(canary.model.route) == ("1", "2", 100)
    assert canary.evaluate()["status"] == "running"
    assert canary.record.reason.endswith("; all at once, as its inference server holds one version")


@pytest.mark.parametrize("paused", [False, True])
def test_a_share_without_a_machine_since_a_deploy_is_rolled_back_and_says_why(paused: bool):
    canary = Canary(runtime=ONE_PROCESS, paired=True, steps_percent=[10, 50, 100])
    canary.model.registry.record_rollout(replace(canary.record, paused=paused))
    canary.serve(200)
    assert canary.evaluate()["status"] == "running"
    canary.paired = False
    assert canary.evaluate() == {"status": "rolled back", "wait_seconds": 0}
    assert seen(canary.model.route) == ("1", None, 0)
    assert canary.record.reason == (
        "a deploy has left its fleet one machine, and a share of the candidate needs another: push "
        "it again; all at once, as its inference server holds one version"
    )


def test_a_candidate_that_has_all_traffic_needs_no_second_machine():
    canary = Canary(runtime=ONE_PROCESS, paired=True, steps_percent=[100])
    canary.paired = False
    canary.serve(100)
    assert canary.evaluate()["status"] == "running"
    canary.serve(300)
    assert canary.evaluate()["status"] == "promoted"


def test_bytes_that_were_published_before_there_were_two_machines_take_their_steps():
    canary = Canary(runtime=ONE_PROCESS, paired=True)
    registry = canary.model.registry
    record = registry.records[MODEL, "2"]
    unnoted = note_machines(record.bundle, paired=False)
    registry.records[MODEL, "2"] = replace(record, bundle=unnoted)
    canary.serve(400)
    canary.evaluate()
    assert seen(canary.model.route) == ("1", "2", 50)
