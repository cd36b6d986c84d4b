"""Rollouts under hypothesis: every reader finds a route and records that agree."""

from tests.stateful.extent import extent
from tests.stateful.rollout_machine import RolloutMachine

TestRollouts = RolloutMachine.TestCase
TestRollouts.settings = extent(100)
