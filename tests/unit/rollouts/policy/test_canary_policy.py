"""The policy that a bundle sets."""

import json

from serval.bundles.bundle import Bundle
from serval.bundles.bundle import RolloutSection as RolloutSection
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
