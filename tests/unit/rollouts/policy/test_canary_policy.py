"""The policy that a bundle sets."""

import json
from typing import Any

import pytest

from serval.bundles.bundle import Bundle
from serval.bundles.bundle import RolloutSection as RolloutSection
from serval.models.server_declaration import note_machines, rollout_note
from serval.rollouts.policy.canary_policy import CanaryPolicy, alarm_names, canary_policy


def test_a_bundle_that_says_nothing_has_the_defaults_of_both():
    assert canary_policy(Bundle(name="iris").to_json()) == CanaryPolicy()
    assert canary_policy({}) == CanaryPolicy()
    assert alarm_names({}) == ()


def test_what_a_bundle_says_is_the_policy():
    section = RolloutSection(
        steps_percent=(1, 5),
        bake_seconds=7,
        max_error_percent=0.5,
        max_latency_ratio=2.0,
        when_idle="promote",
        alarms=("orders",),
    )
    recorded = json.loads(json.dumps(Bundle(name="iris", rollout=section).to_json()))
    assert canary_policy(recorded) == CanaryPolicy((1, 5), 7, 0.5, 2.0, "promote")
    assert alarm_names(recorded) == ("orders",)


@pytest.mark.parametrize(
    ("runtime", "steps"),
    [
        ({"kind": "http", "server": "triton"}, (10, 50)),
        ({"kind": "http", "server": "lmi", "processes": 2}, (10, 50)),
        ({"kind": "http", "server": "lmi"}, (100,)),
        ({"kind": "http", "server": None}, (100,)),
        ({"kind": "container", "command": "run"}, (100,)),
        ({"kind": "container", "command": "run", "processes": 2}, (10, 50)),
    ],
)
def test_where_two_versions_cannot_answer_beside_each_other_one_step_takes_all_traffic(
    runtime: dict[str, Any], steps: tuple[int, ...]
) -> None:
    bundle = {"runtime": runtime, "rollout": {"steps_percent": [10, 50]}}
    assert canary_policy(bundle).steps_percent == steps
    assert str(rollout_note(bundle)).startswith("all at once: ") == (steps == (100,))


def test_on_two_machines_a_rollout_has_its_steps_although_one_process_fits_a_machine() -> None:
    runtime = {"kind": "http", "server": "lmi"}
    declared = {"runtime": runtime, "rollout": {"steps_percent": [10, 50]}}
    bundle = note_machines(declared, paired=True)
    assert canary_policy(bundle).steps_percent == (10, 50)
    assert str(rollout_note(bundle)).startswith("on two machines: ")
    assert note_machines(bundle, paired=False) == declared, "a later deploy has one machine"


def test_versions_that_fit_beside_each_other_need_no_second_machine() -> None:
    declared = {"runtime": {"kind": "http", "server": "triton"}, "rollout": {}}
    assert note_machines(declared, paired=True) == declared
