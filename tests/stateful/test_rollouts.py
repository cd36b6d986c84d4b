"""Rollouts under hypothesis: every reader finds a route and records that agree."""

from hypothesis import HealthCheck, settings

from tests.stateful.rollout_machine import RolloutMachine

TestRollouts = RolloutMachine.TestCase
TestRollouts.settings = settings(
    max_examples=100,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
